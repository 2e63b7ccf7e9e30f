package com.example.gandemo

import kotlin.math.max
import kotlin.math.min

/**
 * Pictures of any size by squares of [side] pixels that share [overlap] or more with the next and begin at multiples of
 * [align]; blended over what they share. No more than two strips of squares are held at a time.
 */
internal class Tiles(private val side: Int, private val overlap: Int, private val align: Int) {
    /**
     * Asks [square] for interleaved channels by top and left, and tells [row] of each row when it is done: from then on
     * no square is asked for that reaches so far up. A square may reach over the right and the lower edge.
     */
    fun through(
        width: Int,
        height: Int,
        channels: Int,
        square: (Int, Int) -> FloatArray,
        row: (Int, FloatArray) -> Unit,
        progress: (Float) -> Unit = {},
    ) {
        val (tops, lefts) = starts(height) to starts(width)
        val length = channels * width
        var above = FloatArray(0)
        for ((index, top) in tops.withIndex()) {
            val strip = FloatArray(length * side)
            for ((column, left) in lefts.withIndex()) {
                val shared = if (column == 0) 0 else lefts[column - 1] + side - left
                lay(square(top, left), strip, channels, left, width, shared)
                progress((index * lefts.size + column + 1f) / (tops.size * lefts.size))
            }
            val before = if (index == 0) top else tops[index - 1]
            val shared = if (index == 0) 0 else before + side - top
            for (y in 0 until shared) {
                val share = fade(y, shared)
                for (place in y * length until (y + 1) * length) {
                    val old = above[place + (top - before) * length]
                    strip[place] = old + share * (strip[place] - old)
                }
            }
            val end = if (index + 1 < tops.size) tops[index + 1] else height
            for (y in top until end) row(y, strip.copyOfRange((y - top) * length, (y - top + 1) * length))
            above = strip
        }
    }

    /** One square into a strip, blended over the [shared] columns that its neighbour has covered already. */
    private fun lay(square: FloatArray, strip: FloatArray, channels: Int, left: Int, width: Int, shared: Int) {
        for (y in 0 until side) for (x in 0 until min(side, width - left)) {
            val share = if (x < shared) fade(x, shared) else 1f
            for (channel in 0 until channels) {
                val place = channels * (y * width + left + x) + channel
                strip[place] += share * (square[channels * (y * side + x) + channel] - strip[place])
            }
        }
    }

    /** Where squares begin along a side, evenly spread. */
    private fun starts(length: Int): List<Int> {
        val spare = (max(length - side, 0) + align - 1) / align
        val step = (side - overlap) / align
        val count = (spare + step - 1) / step
        return if (count == 0) listOf(0) else List(count + 1) { spare * it / count * align }
    }

    /** The later square's share at [place] of [length] pixels that two squares have in common. */
    private fun fade(place: Int, length: Int): Float {
        val margin = min(overlap, length) / 4
        return ((place + 0.5f - margin) / (length - 2 * margin)).coerceIn(0f, 1f)
    }
}
