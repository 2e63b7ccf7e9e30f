package com.example.gandemo

import android.content.Context
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import kotlin.math.max
import kotlin.math.min
import kotlin.math.roundToInt

/**
 * colorize: Ours: chroma from lightness, with hint points; a judge wants it vivid, rare colours weigh more. Apache-2.0.
 *
 * The network sees squares of a small copy, whose shorter side has 96 pixels; [Colour] puts what it says beneath the
 * photo's own lightness, at full size.
 * One instance serves one thread; call it off the main one.
 */
class PhotoColorizer(context: Context) : AutoCloseable {
    private val model = CompiledModel.create(context.assets, "colorize-int8.tflite", CompiledModel.Options(Accelerator.CPU))
    private val input = model.createInputBuffer("lightness", SIGNATURE)
    private val hints = model.createInputBuffer("hints", SIGNATURE)
    private val output = model.createOutputBuffer("chroma", SIGNATURE)

    /** The photo in colour; the colour that it has is not looked at. */
    fun colorize(photo: Bitmap): Bitmap {
        val (width, height) = photo.width to photo.height
        val pixels = IntArray(width * height)
        photo.getPixels(pixels, 0, width, 0, 0, width, height)
        val scale = SIZE / min(width, height).toDouble()
        val (wide, high) = listOf(width, height).map { max(SIZE, (scale * it).roundToInt()) }
        val small = Colour.copy(pixels, width, height, wide, high)
        val light = Colour.lightness(small)
        val chroma = bySquares(if (GREY) Colour.luma(small) else light, wide, high)
        Colour.spread(pixels, width, height, light, chroma, wide, high)
        return Bitmap.createBitmap(pixels, width, height, Bitmap.Config.ARGB_8888)
    }

    /** Chroma of a small copy of grey. */
    private fun bySquares(grey: FloatArray, width: Int, height: Int): FloatArray {
        val whole = FloatArray(2 * width * height)
        Tiles(SIZE, SIZE / 2, 1).through(
            width, height, 2,
            { top, left -> run(FloatArray(SIZE * SIZE) { grey[(top + it / SIZE) * width + left + it % SIZE] }) },
            { y, row -> row.copyInto(whole, 2 * width * y) },
        )
        return whole
    }

    /** The chroma of one square. */
    private fun run(square: FloatArray): FloatArray {
        input.writeFloat(square)
        hints.writeFloat(FloatArray(SIZE * SIZE * 3)) // no colour is wished for
        model.run(mapOf("lightness" to input, "hints" to hints), mapOf("chroma" to output), SIGNATURE)
        return output.readFloat().let { if (GREY) Colour.chroma(it) else it }
    }

    override fun close() = model.close()

    companion object {
        const val SIZE = 96
        const val GREY = false // the network takes luma and gives a picture; else lightness, and gives chroma
        const val SIGNATURE = "colorize"
    }
}
