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

    /** Chroma of a small copy of grey, by overlapping squares that are blended over what they share. */
    private fun bySquares(grey: FloatArray, width: Int, height: Int): FloatArray {
        val (tops, lefts) = starts(height) to starts(width)
        val whole = FloatArray(2 * width * height)
        for ((row, top) in tops.withIndex()) {
            val strip = FloatArray(2 * width * SIZE)
            for ((column, left) in lefts.withIndex()) {
                val square = run(FloatArray(SIZE * SIZE) { grey[(top + it / SIZE) * width + left + it % SIZE] })
                val shared = if (column == 0) 0 else lefts[column - 1] + SIZE - left
                for (y in 0 until SIZE) for (x in 0 until SIZE) {
                    val share = if (x < shared) fade(x, shared) else 1f
                    for (channel in 0..1) {
                        val place = 2 * (y * width + left + x) + channel
                        strip[place] += share * (square[2 * (y * SIZE + x) + channel] - strip[place])
                    }
                }
            }
            val shared = if (row == 0) 0 else tops[row - 1] + SIZE - top
            for (y in 0 until SIZE) {
                val share = if (y < shared) fade(y, shared) else 1f
                for (x in 0 until 2 * width) {
                    val place = 2 * width * (top + y) + x
                    whole[place] += share * (strip[2 * width * y + x] - whole[place])
                }
            }
        }
        return whole
    }

    /** The chroma of one square. */
    private fun run(square: FloatArray): FloatArray {
        input.writeFloat(square)$hints_write
        model.run(mapOf("$input" to input$hints_entry), mapOf("$output" to output), SIGNATURE)
        return output.readFloat().let { if (GREY) Colour.chroma(it) else it }
    }

    /** Where squares begin along a side: evenly spread, each sharing half of itself or more with the one before. */
    private fun starts(length: Int): List<Int> {
        val spare = length - SIZE
        val step = SIZE - SIZE / 2
        val count = (spare + step - 1) / step
        return if (count == 0) listOf(0) else List(count + 1) { spare * it / count }
    }

    /** The later square's share at [place] of [length] pixels that two squares have in common. */
    private fun fade(place: Int, length: Int): Float {
        val margin = min(SIZE / 2, length) / 4
        return ((place + 0.5f - margin) / (length - 2 * margin)).coerceIn(0f, 1f)
    }

    override fun close() = model.close()

    companion object {
        const val SIZE = $size
        const val GREY = $grey // the network takes luma and gives a picture; else lightness, and gives chroma
        const val SIGNATURE = "$signature"
    }
}
