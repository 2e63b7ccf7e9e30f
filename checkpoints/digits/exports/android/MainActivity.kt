package com.example.gandemo

import android.app.Activity
import android.graphics.Bitmap
import android.os.Bundle
import android.widget.Button
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.Toast
import java.util.Random
import java.util.concurrent.Executors

/**
 * Two buttons and a picture. The network runs on a thread of its own, so that the screen stays alive.
 *
 * The button that this model is not for says so; export another checkpoint, add its class, and let it answer there.
 */
class MainActivity : Activity() {
    private val worker = Executors.newSingleThreadExecutor()
    private val network by lazy { DigitGenerator(this) } // loaded at the first use, by the worker
    private lateinit var picture: ImageView

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        picture = ImageView(this).apply { adjustViewBounds = true }
        setContentView(
            LinearLayout(this).apply {
                orientation = LinearLayout.VERTICAL
                addView(button("GENERATE DIGITS") { generate() })
                addView(button("ENHANCE IMAGE") { say("This button needs a checkpoint for photos.") })
                addView(picture)
            },
        )
    }

    private fun button(text: String, onClick: () -> Unit) = Button(this).apply {
        this.text = text
        setOnClickListener { onClick() }
    }

    private fun generate() {
        val seed = System.nanoTime()
        show { network.generate(seed, Random(seed).nextInt(DigitGenerator.CLASSES.size)) }
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
