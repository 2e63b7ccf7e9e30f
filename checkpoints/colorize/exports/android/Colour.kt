package com.example.gandemo

import kotlin.math.abs
import kotlin.math.cbrt
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow
import kotlin.math.roundToInt

/**
 * Colours under D65 and how a small copy's go onto a photo: along the photo's own lightness, which stays as it is.
 *
 * Pixels are ARGB; planes are interleaved channels, row by row. Nothing here needs Android.
 */
internal object Colour {
    private const val KNEE = 0.008856f // of Lab's cube root, which is a straight line near black
    private const val SLOPE = 7.787f
    private const val FINE = 4 // how much finer than the small copy the colour's coefficients are computed
    private const val NEIGHBOURS = 2 // how far colour follows lightness, in pixels of the small copy
    private const val DAMPING = 0.12f
    private const val STEPS = 1 shl 14 // of linear light: fine enough that every grey comes back as itself

    private val TO_XYZ = listOf(
        doubleArrayOf(0.412453, 0.357580, 0.180423),
        doubleArrayOf(0.212671, 0.715160, 0.072169),
        doubleArrayOf(0.019334, 0.119193, 0.950227),
    ).map { row -> FloatArray(3) { (row[it] / row.sum()).toFloat() } } // so that white is 1, 1, 1
    private val FROM_XYZ = inverse(TO_XYZ)
    private val LINEAR = FloatArray(256) { linear(it / 255f) }
    private val BYTES = IntArray(STEPS) { encoded(it / (STEPS - 1f)) }
    private val ROOT_OF_KNEE = cbrt(KNEE)

    /** Red, green and blue in 0..255 of a copy in another size, each pixel a mean of all that it covers. */
    fun copy(pixels: IntArray, width: Int, height: Int, wide: Int, high: Int): FloatArray =
        resize(3, width, height, wide, high, Line) { y, row ->
            for (x in 0 until width) {
                val pixel = pixels[y * width + x]
                for (channel in 0..2) row[3 * x + channel] = (pixel shr (16 - 8 * channel) and 255).toFloat()
            }
        }

    /** CIE Lab's L / 50 - 1 of red, green and blue in 0..255. */
    fun lightness(rgb: FloatArray) = FloatArray(rgb.size / 3) { index ->
        val (red, green, blue) = List(3) { linear(rgb[3 * index + it] / 255f) }
        (116f * root(xyz(1, red, green, blue)) - 16f) / 50f - 1f
    }

    /** BT.601's grey in [-1, 1] of red, green and blue in 0..255. */
    fun luma(rgb: FloatArray) = FloatArray(rgb.size / 3) {
        (0.299f * rgb[3 * it] + 0.587f * rgb[3 * it + 1] + 0.114f * rgb[3 * it + 2]) / 127.5f - 1f
    }

    /** a / 110 and b / 110 of red, green and blue in [-1, 1]. */
    fun chroma(picture: FloatArray): FloatArray {
        val found = FloatArray(picture.size / 3 * 2)
        for (index in 0 until picture.size / 3) {
            val (red, green, blue) = List(3) { linear((picture[3 * index + it].coerceIn(-1f, 1f) + 1f) / 2f) }
            val (x, y, z) = List(3) { root(xyz(it, red, green, blue)) }
            found[2 * index] = 500f * (x - y) / 110f
            found[2 * index + 1] = 200f * (y - z) / 110f
        }
        return found
    }

    /**
     * Gives pixels the colours of a small copy: within a few pixels of the copy, chroma is taken for a straight line
     * over lightness, and the photo's own lightness is put into that line.
     */
    fun spread(
        pixels: IntArray, width: Int, height: Int,
        light: FloatArray, chroma: FloatArray, wide: Int, high: Int,
    ) {
        val (fineWide, fineHigh) = min(width, FINE * wide) to min(height, FINE * high)
        fun finer(from: FloatArray, channels: Int) = resize(channels, wide, high, fineWide, fineHigh, Cubic) { y, row ->
            from.copyInto(row, 0, y * row.size, (y + 1) * row.size)
        }
        val gain = finer(following(light, chroma, wide, high), 2)
        val (offset, fineLight) = finer(chroma, 2) to finer(light, 1)
        for (index in offset.indices) offset[index] -= gain[index] * fineLight[index shr 1]
        val (columns, rows) = Between(fineWide, width) to Between(fineHigh, height)
        for (y in 0 until height) {
            val above = 2 * fineWide * rows.first[y]
            val below = 2 * fineWide * rows.second[y]
            for (x in 0 until width) {
                val i = above + 2 * columns.first[x]
                val j = above + 2 * columns.second[x]
                val k = below + 2 * columns.first[x]
                val l = below + 2 * columns.second[x]
                val across = columns.share[x]
                val down = rows.share[y]
                val pixel = pixels[y * width + x]
                val luminance = xyz(1, LINEAR[pixel shr 16 and 255], LINEAR[pixel shr 8 and 255], LINEAR[pixel and 255])
                val root = root(luminance)
                val tone = (116f * root - 16f) / 50f - 1f
                val a = within(offset, i, j, k, l, across, down) + tone * within(gain, i, j, k, l, across, down)
                val b = within(offset, i + 1, j + 1, k + 1, l + 1, across, down) +
                    tone * within(gain, i + 1, j + 1, k + 1, l + 1, across, down)
                val rgb = painted(power(root + 110f * a / 500f), luminance, power(root - 110f * b / 200f))
                pixels[y * width + x] = (pixel and (255 shl 24)) or rgb
            }
        }
    }

    /** By how much chroma grows with lightness around each pixel. */
    private fun following(light: FloatArray, chroma: FloatArray, wide: Int, high: Int): FloatArray {
        val mean = means(light, 1, wide, high)
        val meanOfSquares = means(FloatArray(light.size) { light[it] * light[it] }, 1, wide, high)
        val meanChroma = means(chroma, 2, wide, high)
        val meanOfBoth = means(FloatArray(chroma.size) { chroma[it] * light[it shr 1] }, 2, wide, high)
        return FloatArray(chroma.size) {
            val (average, variance) = mean[it shr 1] to meanOfSquares[it shr 1] - mean[it shr 1] * mean[it shr 1]
            (meanOfBoth[it] - average * meanChroma[it]) / (variance + DAMPING)
        }
    }

    /** Each pixel's mean with its neighbours, as far as there are any. */
    private fun means(from: FloatArray, channels: Int, width: Int, height: Int): FloatArray {
        val found = FloatArray(from.size)
        for (y in 0 until height) for (x in 0 until width) {
            val (top, bottom) = max(0, y - NEIGHBOURS) to min(height - 1, y + NEIGHBOURS)
            val (left, right) = max(0, x - NEIGHBOURS) to min(width - 1, x + NEIGHBOURS)
            for (channel in 0 until channels) {
                var sum = 0f
                for (v in top..bottom) for (u in left..right) sum += from[channels * (v * width + u) + channel]
                found[channels * (y * width + x) + channel] = sum / ((bottom - top + 1) * (right - left + 1))
            }
        }
        return found
    }

    /** RGB of that X, Y and Z, where Y is kept, and of the others as much as sRGB has: less is nearer to grey. */
    private fun painted(x: Float, y: Float, z: Float): Int {
        var share = 1f
        for (row in FROM_XYZ) {
            val away = row[0] * (x - y) + row[2] * (z - y) // from grey, whose three channels are Y
            share = min(share, (if (away > 0f) 1f - y else y) / max(1e-9f, abs(away)))
        }
        var rgb = 0
        for (row in FROM_XYZ) {
            val value = y + share * (row[0] * (x - y) + row[2] * (z - y))
            rgb = rgb shl 8 or BYTES[(value * (STEPS - 1)).roundToInt().coerceIn(0, STEPS - 1)]
        }
        return rgb
    }

    /** For each place of a long line: its two neighbours on a short one, and how near the second is. */
    private class Between(small: Int, full: Int) {
        private val scale = small.toFloat() / full
        private val there = FloatArray(full) { (scale * (it + 0.5f) - 0.5f).coerceIn(0f, small - 1f) }
        val first = IntArray(full) { there[it].toInt() }
        val second = IntArray(full) { min(small - 1, first[it] + 1) }
        val share = FloatArray(full) { there[it] - first[it] }
    }

    /** Between four corners of a map. */
    private fun within(map: FloatArray, i: Int, j: Int, k: Int, l: Int, across: Float, down: Float): Float {
        val above = map[i] + across * (map[j] - map[i])
        return above + down * (map[k] + across * (map[l] - map[k]) - above)
    }

    /** How much an old pixel counts at a distance, and from where on it does not. */
    private sealed class Kernel(val reach: Int, val share: (Float) -> Float)

    private object Line : Kernel(1, { 1f - it })

    private object Cubic : Kernel(2, {
        if (it < 1f) (1.5f * it - 2.5f) * it * it + 1f else ((-0.5f * it + 2.5f) * it - 4f) * it + 2f
    })

    /** Another size; [read] lays one row of the old one down. */
    private fun resize(
        channels: Int, width: Int, height: Int, toWidth: Int, toHeight: Int, kernel: Kernel,
        read: (Int, FloatArray) -> Unit,
    ): FloatArray {
        val (columns, rows) = weights(width, toWidth, kernel) to weights(height, toHeight, kernel)
        val row = FloatArray(channels * width)
        val across = FloatArray(channels * toWidth * height)
        for (y in 0 until height) {
            read(y, row)
            for (x in 0 until toWidth) {
                val (first, share) = columns[x]
                for (channel in 0 until channels) {
                    var sum = 0f
                    for (i in share.indices) sum += share[i] * row[channels * (first + i) + channel]
                    across[channels * (y * toWidth + x) + channel] = sum
                }
            }
        }
        val found = FloatArray(channels * toWidth * toHeight)
        for (y in 0 until toHeight) {
            val (first, share) = rows[y]
            for (x in 0 until channels * toWidth) {
                var sum = 0f
                for (i in share.indices) sum += share[i] * across[channels * toWidth * (first + i) + x]
                found[channels * toWidth * y + x] = sum
            }
        }
        return found
    }

    /** For each new pixel along a side: the first old one that it is made of, and the share of each. */
    private fun weights(from: Int, to: Int, kernel: Kernel): List<Pair<Int, FloatArray>> {
        val scale = from.toFloat() / to
        val wide = max(scale, 1f)
        return List(to) { index ->
            val centre = scale * (index + 0.5f)
            val first = max(0, floor(centre - kernel.reach * wide + 0.5f).toInt())
            val end = min(from, floor(centre + kernel.reach * wide + 0.5f).toInt())
            val share = FloatArray(end - first) {
                val distance = abs((first + it - centre + 0.5f) / wide)
                if (distance < kernel.reach) kernel.share(distance) else 0f
            }
            val sum = share.sum()
            first to FloatArray(share.size) { share[it] / sum }
        }
    }

    private fun xyz(axis: Int, red: Float, green: Float, blue: Float) =
        TO_XYZ[axis][0] * red + TO_XYZ[axis][1] * green + TO_XYZ[axis][2] * blue

    private fun root(value: Float) = if (value > KNEE) cbrt(value) else SLOPE * value + 16f / 116f

    /** The way back. */
    private fun power(root: Float) = if (root > ROOT_OF_KNEE) root * root * root else (root - 16f / 116f) / SLOPE

    private fun linear(value: Float) = if (value <= 0.04045f) value / 12.92f else ((value + 0.055f) / 1.055f).pow(2.4f)

    /** The way back, as a byte. */
    private fun encoded(linear: Float): Int {
        val value = if (linear <= 0.0031308f) 12.92f * linear else 1.055f * linear.pow(1f / 2.4f) - 0.055f
        return (255f * value).roundToInt()
    }

    /** Of three rows of three. */
    private fun inverse(rows: List<FloatArray>): List<FloatArray> {
        fun at(row: Int, column: Int) = rows[row % 3][column % 3].toDouble()
        fun minor(row: Int, column: Int) = // its sign comes with counting on beyond the end
            at(row + 1, column + 1) * at(row + 2, column + 2) - at(row + 1, column + 2) * at(row + 2, column + 1)
        val determinant = (0..2).sumOf { at(0, it) * minor(0, it) }
        return List(3) { row -> FloatArray(3) { column -> (minor(column, row) / determinant).toFloat() } }
    }
}
