package com.example.gandemo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Color
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import kotlin.math.abs
import kotlin.math.cbrt
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow
import kotlin.math.roundToInt

/**
 * colorize: Ours: chroma from lightness, with hint points; a judge wants it vivid, rare colours weigh more. Apache-2.0.
 *
 * The network sees squares of a small copy, whose shorter side has 96 pixels; its colour goes beneath the photo's own
 * lightness, at full size.
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
        val grey = FloatArray(width * height) { if (GREY) luma(pixels[it]) else lab(pixels[it])[0] / 50f - 1f }
        val (wide, high) = listOf(width, height).map { max(SIZE, (it * SIZE.toFloat() / min(width, height)).roundToInt()) }
        val chroma = resize(bySquares(resize(grey, 1, width, height, wide, high), wide, high), 2, wide, high, width, height)
        for (index in pixels.indices) {
            val lightness = lab(pixels[index])[0]
            pixels[index] = rgb(lightness, 110f * chroma[2 * index], 110f * chroma[2 * index + 1], Color.alpha(pixels[index]))
        }
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
        input.writeFloat(square)
        hints.writeFloat(FloatArray(SIZE * SIZE * 3)) // no colour is wished for
        model.run(mapOf("lightness" to input, "hints" to hints), mapOf("chroma" to output), SIGNATURE)
        return chromaOf(output.readFloat())
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

    /** a / 110 and b / 110 of each pixel, from chroma as it is or from an RGB picture. */
    private fun chromaOf(values: FloatArray): FloatArray {
        if (!GREY) return values
        return FloatArray(2 * SIZE * SIZE).also { chroma ->
            for (index in 0 until SIZE * SIZE) {
                val (red, green, blue) = List(3) { ((values[3 * index + it] + 1f) / 2f).coerceIn(0f, 1f) }
                val colour = lab(red, green, blue)
                chroma[2 * index] = colour[1] / 110f
                chroma[2 * index + 1] = colour[2] / 110f
            }
        }
    }

    /** Interleaved channels to another size: bilinear, and each new pixel a mean of all that it covers. */
    private fun resize(from: FloatArray, channels: Int, width: Int, height: Int, toWidth: Int, toHeight: Int): FloatArray {
        val (columns, rows) = weights(width, toWidth) to weights(height, toHeight)
        val across = FloatArray(channels * toWidth * height)
        for (y in 0 until height) for (x in 0 until toWidth) for (channel in 0 until channels) {
            var sum = 0f
            val (first, share) = columns[x]
            for (i in share.indices) sum += share[i] * from[channels * (y * width + first + i) + channel]
            across[channels * (y * toWidth + x) + channel] = sum
        }
        val to = FloatArray(channels * toWidth * toHeight)
        for (y in 0 until toHeight) {
            val (first, share) = rows[y]
            for (x in 0 until channels * toWidth) {
                var sum = 0f
                for (i in share.indices) sum += share[i] * across[channels * toWidth * (first + i) + x]
                to[channels * toWidth * y + x] = sum
            }
        }
        return to
    }

    /** For each new pixel along a side: the first old one that it is made of, and the share of each. */
    private fun weights(from: Int, to: Int): List<Pair<Int, FloatArray>> {
        val scale = from.toFloat() / to
        val reach = max(scale, 1f)
        return List(to) { index ->
            val centre = scale * (index + 0.5f)
            val first = max(0, floor(centre - reach + 0.5f).toInt())
            val end = min(from, floor(centre + reach + 0.5f).toInt())
            val share = FloatArray(end - first) { max(0f, 1f - abs((first + it - centre + 0.5f) / reach)) }
            val sum = share.sum()
            first to FloatArray(share.size) { share[it] / sum }
        }
    }

    private fun luma(pixel: Int) =
        (0.299f * Color.red(pixel) + 0.587f * Color.green(pixel) + 0.114f * Color.blue(pixel)) / 127.5f - 1f

    private fun lab(pixel: Int) = lab(Color.red(pixel) / 255f, Color.green(pixel) / 255f, Color.blue(pixel) / 255f)

    /** sRGB in 0..1 to CIE Lab under D65. */
    private fun lab(red: Float, green: Float, blue: Float): FloatArray {
        val linear = floatArrayOf(red, green, blue).map { if (it <= 0.04045f) it / 12.92f else ((it + 0.055f) / 1.055f).pow(2.4f) }
        val (x, y, z) = TO_XYZ.map { row ->
            val value = (0..2).sumOf { (row[it] * linear[it]).toDouble() }.toFloat() / row.sum()
            if (value > KNEE) cbrt(value) else 7.787f * value + 16f / 116f
        }
        return floatArrayOf(116f * y - 16f, 500f * (x - y), 200f * (y - z))
    }

    /** The way back, cut to what sRGB can show. */
    private fun rgb(lightness: Float, a: Float, b: Float, alpha: Int): Int {
        val y = (lightness + 16f) / 116f
        val xyz = floatArrayOf(y + a / 500f, y, y - b / 200f).mapIndexed { axis, root ->
            (if (root > cbrt(KNEE)) root * root * root else (root - 16f / 116f) / 7.787f) * TO_XYZ[axis].sum()
        }
        val (red, green, blue) = FROM_XYZ.map { row ->
            val linear = (0..2).sumOf { (row[it] * xyz[it]).toDouble() }.toFloat().coerceIn(0f, 1f)
            val value = if (linear <= 0.0031308f) 12.92f * linear else 1.055f * linear.pow(1f / 2.4f) - 0.055f
            (255f * value).roundToInt().coerceIn(0, 255)
        }
        return Color.argb(alpha, red, green, blue)
    }

    override fun close() = model.close()

    companion object {
        const val SIZE = 96
        const val GREY = false // the network takes luma and gives a picture; else lightness, and gives chroma
        const val SIGNATURE = "colorize"
        private const val KNEE = 0.008856f
        private val TO_XYZ = listOf(
            floatArrayOf(0.412453f, 0.357580f, 0.180423f),
            floatArrayOf(0.212671f, 0.715160f, 0.072169f),
            floatArrayOf(0.019334f, 0.119193f, 0.950227f),
        )
        private val FROM_XYZ = listOf(
            floatArrayOf(3.240479f, -1.537150f, -0.498535f),
            floatArrayOf(-0.969256f, 1.875992f, 0.041556f),
            floatArrayOf(0.055648f, -0.204043f, 1.057311f),
        )
    }
}
