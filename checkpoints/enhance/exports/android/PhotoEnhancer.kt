package com.example.gandemo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Color
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import kotlin.math.min
import kotlin.math.roundToInt

/**
 * enhance: Ours: enhance-l1, crisper by a short game on the pair that ends when it stops paying. Apache-2.0.
 *
 * Photos of any size, by overlapping squares of 256 pixels. One instance serves one thread; call it off the main one.
 */
class PhotoEnhancer(context: Context) : AutoCloseable {
    private val model = CompiledModel.create(context.assets, "enhance-int8.tflite", CompiledModel.Options(Accelerator.CPU))
    private val input = model.createInputBuffer("image", SIGNATURE)
    private val output = model.createOutputBuffer("enhanced", SIGNATURE)

    /** The photo, better; [progress] is told the share that is done. */
    fun enhance(photo: Bitmap, progress: (Float) -> Unit = {}): Bitmap {
        val (width, height) = photo.width to photo.height
        val pixels = IntArray(width * height)
        photo.getPixels(pixels, 0, width, 0, 0, width, height)
        val (tops, lefts) = starts(height) to starts(width)
        val whole = FloatArray(3 * width * height)
        var done = 0
        for ((row, top) in tops.withIndex()) {
            val strip = FloatArray(3 * width * SIZE)
            for ((column, left) in lefts.withIndex()) {
                val tile = run(pixels, width, height, top, left)
                val shared = if (column == 0) 0 else lefts[column - 1] + SIZE - left
                for (y in 0 until SIZE) for (x in 0 until min(SIZE, width - left)) {
                    val share = if (x < shared) fade(x, shared) else 1f
                    for (channel in 0..2) {
                        val place = 3 * (y * width + left + x) + channel
                        strip[place] += share * (tile[3 * (y * SIZE + x) + channel] - strip[place])
                    }
                }
                progress(++done / (tops.size * lefts.size).toFloat())
            }
            val shared = if (row == 0) 0 else tops[row - 1] + SIZE - top
            for (y in 0 until min(SIZE, height - top)) {
                val share = if (y < shared) fade(y, shared) else 1f
                for (x in 0 until 3 * width) {
                    val place = 3 * width * (top + y) + x
                    whole[place] += share * (strip[3 * width * y + x] - whole[place])
                }
            }
        }
        for (index in pixels.indices) {
            val (red, green, blue) = List(3) { byte(whole[3 * index + it]) }
            pixels[index] = Color.argb(Color.alpha(pixels[index]), red, green, blue)
        }
        return Bitmap.createBitmap(pixels, width, height, Bitmap.Config.ARGB_8888)
    }

    /** One square through the network; beyond the edge, the last row or column goes on. */
    private fun run(pixels: IntArray, width: Int, height: Int, top: Int, left: Int): FloatArray {
        val values = FloatArray(3 * SIZE * SIZE)
        for (y in 0 until SIZE) for (x in 0 until SIZE) {
            val pixel = pixels[min(top + y, height - 1) * width + min(left + x, width - 1)]
            val place = 3 * (y * SIZE + x)
            values[place] = Color.red(pixel) / 127.5f - 1f
            values[place + 1] = Color.green(pixel) / 127.5f - 1f
            values[place + 2] = Color.blue(pixel) / 127.5f - 1f
        }
        input.writeFloat(values)
        model.run(mapOf("image" to input), mapOf("enhanced" to output), SIGNATURE)
        return output.readFloat()
    }

    /** Where squares begin along a side: evenly spread, at multiples of [ALIGN]. */
    private fun starts(length: Int): List<Int> {
        val spare = (maxOf(length - SIZE, 0) + ALIGN - 1) / ALIGN
        val step = (SIZE - OVERLAP) / ALIGN
        val count = (spare + step - 1) / step
        return if (count == 0) listOf(0) else List(count + 1) { spare * it / count * ALIGN }
    }

    /** The later square's share at [place] of [length] pixels that two squares have in common. */
    private fun fade(place: Int, length: Int): Float {
        val margin = min(OVERLAP, length) / 4
        return ((place + 0.5f - margin) / (length - 2 * margin)).coerceIn(0f, 1f)
    }

    private fun byte(value: Float) = ((value + 1f) * 127.5f).roundToInt().coerceIn(0, 255)

    override fun close() = model.close()

    companion object {
        const val SIZE = 256
        const val OVERLAP = 32
        const val ALIGN = 16
        const val SIGNATURE = "enhance"
    }
}
