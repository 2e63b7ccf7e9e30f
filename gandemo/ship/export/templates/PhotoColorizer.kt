package com.example.gandemo

import android.content.Context
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import kotlin.math.max
import kotlin.math.min
import kotlin.math.roundToInt

/**
 * $name: $description $licence.
 *
 * The network sees squares of a small copy, whose shorter side has $size pixels; [Colour] puts what it says beneath the
 * photo's own lightness, at full size.
 * One instance serves one thread; call it off the main one.
 */
class PhotoColorizer(context: Context) : AutoCloseable {
    private val model = CompiledModel.create(context.assets, "$file", CompiledModel.Options(Accelerator.CPU))
    private val input = model.createInputBuffer("$input", SIGNATURE)$hints_buffer
    private val output = model.createOutputBuffer("$output", SIGNATURE)

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
        input.writeFloat(square)$hints_write
        model.run(mapOf("$input" to input$hints_entry), mapOf("$output" to output), SIGNATURE)
        return output.readFloat().let { if (GREY) Colour.chroma(it) else it }
    }

    override fun close() = model.close()

    companion object {
        const val SIZE = $size
        const val GREY = $grey // the network takes luma and gives a picture; else lightness, and gives chroma
        const val SIGNATURE = "$signature"
    }
}
