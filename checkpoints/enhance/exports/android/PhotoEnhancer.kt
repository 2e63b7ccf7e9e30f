package com.example.gandemo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Color
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import kotlin.math.min
import kotlin.math.roundToInt

/**
 * enhance: Ours: enhance-old, crisper by a short game on the pair that ends when it stops paying. Apache-2.0.
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
        Tiles(SIZE, OVERLAP, ALIGN).through(
            width, height, 3,
            { top, left -> run(pixels, width, height, top, left) },
            { y, row -> // what is done takes the place of what it was made from, which nobody asks for again
                for (x in 0 until width) {
                    val (red, green, blue) = List(3) { byte(row[3 * x + it]) }
                    pixels[y * width + x] = Color.argb(Color.alpha(pixels[y * width + x]), red, green, blue)
                }
            },
            progress,
        )
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

    private fun byte(value: Float) = ((value + 1f) * 127.5f).roundToInt().coerceIn(0, 255)

    override fun close() = model.close()

    companion object {
        const val SIZE = 256
        const val OVERLAP = 32
        const val ALIGN = 16
        const val SIGNATURE = "enhance"
    }
}
