package com.example.gandemo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Color
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.util.Random
import kotlin.math.roundToInt

/**
 * digits: pictures of 28×28 pixels out of 64 random numbers. Apache-2.0.
 *
 * One instance serves one thread. Loading takes a moment and a picture takes milliseconds: keep the instance.
 */
class DigitGenerator(context: Context) : AutoCloseable {
    private val model = CompiledModel.create(context.assets, "digits-int8.tflite", CompiledModel.Options(Accelerator.CPU))
    private val noise = model.createInputBuffer("noise", SIGNATURE)
    private val label = model.createInputBuffer("label", SIGNATURE)
    private val image = model.createOutputBuffer("image", SIGNATURE)

    /** A picture. The same [seed] gives the same one; [digit] is its class, an index of [CLASSES], if there are any. */
    fun generate(seed: Long, digit: Int): Bitmap {
        val random = Random(seed)
        noise.writeFloat(FloatArray(LATENT) { random.nextGaussian().toFloat() })
        label.writeInt(intArrayOf(digit))
        model.run(mapOf("noise" to noise, "label" to label), mapOf("image" to image), SIGNATURE)
        val values = image.readFloat()
        val pixels = IntArray(SIZE * SIZE) { index ->
            val grey = ((values[index] + 1f) * 127.5f).roundToInt().coerceIn(0, 255)
            Color.rgb(grey, grey, grey)
        }
        return Bitmap.createBitmap(pixels, SIZE, SIZE, Bitmap.Config.ARGB_8888)
    }

    override fun close() = model.close()

    companion object {
        const val SIZE = 28
        const val LATENT = 64
        const val SIGNATURE = "generate"
        val CLASSES = listOf<String>("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    }
}
