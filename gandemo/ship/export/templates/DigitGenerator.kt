package com.example.gandemo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Color
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.util.Random
import kotlin.math.roundToInt

/**
 * $name: pictures of $size×$size pixels out of $latent random numbers. $licence.
 *
 * One instance serves one thread. Loading takes a moment and a picture takes milliseconds: keep the instance.
 */
class DigitGenerator(context: Context) : AutoCloseable {
    private val model = CompiledModel.create(context.assets, "$file", CompiledModel.Options(Accelerator.CPU))
    private val noise = model.createInputBuffer("noise", SIGNATURE)$label_buffer
    private val image = model.createOutputBuffer("image", SIGNATURE)

    /** A picture. The same [seed] gives the same one; [digit] is its class, an index of [CLASSES], if there are any. */
    fun generate(seed: Long, digit: Int): Bitmap {
        val random = Random(seed)
        noise.writeFloat(FloatArray(LATENT) { random.nextGaussian().toFloat() })$label_write
        model.run(mapOf("noise" to noise$label_entry), mapOf("image" to image), SIGNATURE)
        val values = image.readFloat()
        val pixels = IntArray(SIZE * SIZE) { index ->
            val grey = ((values[index] + 1f) * 127.5f).roundToInt().coerceIn(0, 255)
            Color.rgb(grey, grey, grey)
        }
        return Bitmap.createBitmap(pixels, SIZE, SIZE, Bitmap.Config.ARGB_8888)
    }

    override fun close() = model.close()

    companion object {
        const val SIZE = $size
        const val LATENT = $latent
        const val SIGNATURE = "$signature"
        val CLASSES = listOf<String>($class_names)
    }
}
