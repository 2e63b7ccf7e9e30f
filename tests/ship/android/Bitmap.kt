package android.graphics

class Bitmap(val width: Int, val height: Int, private val pixels: IntArray) {
    enum class Config { ARGB_8888 }

    fun getPixels(into: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
        require(offset == 0 && x == 0 && y == 0 && stride == width && width == this.width && height == this.height)
        pixels.copyInto(into)
    }

    companion object {
        fun createBitmap(pixels: IntArray, width: Int, height: Int, config: Config) =
            Bitmap(width, height, pixels.copyOf()).also { require(config == Config.ARGB_8888) }
    }
}

object Color {
    fun alpha(pixel: Int) = pixel ushr 24
    fun red(pixel: Int) = pixel shr 16 and 255
    fun green(pixel: Int) = pixel shr 8 and 255
    fun blue(pixel: Int) = pixel and 255
    fun argb(alpha: Int, red: Int, green: Int, blue: Int) = (alpha shl 24) or (red shl 16) or (green shl 8) or blue
    fun rgb(red: Int, green: Int, blue: Int) = argb(255, red, green, blue)
}
