package android.content

/** As much of Android as the exported Kotlin asks for, on any JVM. */
class Context {
    val assets = Unit
}
