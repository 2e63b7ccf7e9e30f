import android.content.Context
import android.graphics.Bitmap
import com.google.ai.edge.litert.answer
import com.google.ai.edge.litert.question

/** Reads a picture, puts it through the exported class of that name, and writes what came out. */
fun main(arguments: Array<String>) {
    val (width, height) = List(2) { answer.readInt() }
    val picture = Bitmap(width, height, IntArray(width * height) { answer.readInt() })
    val context = Context()
    val made = when (arguments[0]) {
        "digits" -> com.example.gandemo.DigitGenerator(context).use { it.generate(5L, 7) }
        "enhance" -> com.example.gandemo.PhotoEnhancer(context).use { it.enhance(picture) }
        "colorize" -> com.example.gandemo.PhotoColorizer(context).use { it.colorize(picture) }
        else -> com.example.unet.PhotoColorizer(context).use { it.colorize(picture) }
    }
    question.writeUTF("")
    val pixels = IntArray(made.width * made.height)
    made.getPixels(pixels, 0, made.width, 0, 0, made.width, made.height)
    (listOf(made.width, made.height) + pixels.toList()).forEach(question::writeInt)
    question.flush()
}
