package com.example.gandemo

import android.app.Activity
import android.graphics.Bitmap
import android.os.Bundle
import android.widget.Button
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.Toast
import android.content.Intent
import android.graphics.ImageDecoder
import android.graphics.BitmapFactory
import android.net.Uri
import android.os.Build
import java.util.concurrent.Executors

/**
 * Two buttons and a picture. The network runs on a thread of its own, so that the screen stays alive.
 *
 * The button that this model is not for says so; export another checkpoint, add its class, and let it answer there.
 */
class MainActivity : Activity() {
    private val worker = Executors.newSingleThreadExecutor()
    private val network by lazy { PhotoEnhancer(this) } // loaded at the first use, by the worker
    private lateinit var picture: ImageView

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        picture = ImageView(this).apply { adjustViewBounds = true }
        setContentView(
            LinearLayout(this).apply {
                orientation = LinearLayout.VERTICAL
                addView(button("GENERATE DIGITS") { say("This button needs a checkpoint for digits.") })
                addView(button("ENHANCE IMAGE") { choosePhoto() })
                addView(picture)
            },
        )
    }

    private fun button(text: String, onClick: () -> Unit) = Button(this).apply {
        this.text = text
        setOnClickListener { onClick() }
    }

    private fun choosePhoto() = startActivityForResult(
        Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*"), PHOTO,
    )

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        val photo = data?.data ?: return
        if (request == PHOTO) show { network.enhance(read(photo)) }
    }

    /** The photo, upright where Android tells how, and as pixels that can be read. */
    private fun read(photo: Uri): Bitmap {
        if (Build.VERSION.SDK_INT >= 28) {
            val source = ImageDecoder.createSource(contentResolver, photo)
            return ImageDecoder.decodeBitmap(source) { decoder, _, _ ->
                decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            }
        }
        return contentResolver.openInputStream(photo).use { stream ->
            BitmapFactory.decodeStream(stream) ?: error("That is no picture that can be read.")
        }
    }

    private companion object {
        const val PHOTO = 1
    }

    /** Makes a picture off the main thread and shows it. */
    private fun show(make: () -> Bitmap) = worker.execute {
        val made = runCatching(make)
        runOnUiThread {
            made.onSuccess(picture::setImageBitmap).onFailure { say(it.message ?: "That did not work.") }
        }
    }

    private fun say(sentence: String) = Toast.makeText(this, sentence, Toast.LENGTH_LONG).show()

    override fun onDestroy() {
        worker.execute { network.close() }
        worker.shutdown()
        super.onDestroy()
    }
}
