package com.google.ai.edge.litert

import java.io.DataInputStream
import java.io.DataOutputStream

enum class Accelerator { CPU }

val question = DataOutputStream(System.out.buffered())
val answer = DataInputStream(System.`in`.buffered())

class TensorBuffer {
    var values: Any = FloatArray(0)

    fun writeFloat(values: FloatArray) { this.values = values }
    fun writeInt(values: IntArray) { this.values = values }
    fun readFloat() = values as FloatArray
}

/** Whoever started this process runs the network. */
class CompiledModel private constructor() : AutoCloseable {
    class Options(vararg val accelerators: Accelerator)

    fun createInputBuffer(name: String, signature: String) = TensorBuffer()
    fun createOutputBuffer(name: String, signature: String) = TensorBuffer()

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String) {
        question.writeUTF(signature)
        question.writeInt(inputs.size)
        for ((name, buffer) in inputs) {
            question.writeUTF(name)
            when (val values = buffer.values) {
                is FloatArray -> { question.writeInt(values.size); values.forEach(question::writeFloat) }
                is IntArray -> { question.writeInt(-values.size); values.forEach(question::writeInt) }
            }
        }
        val (name, buffer) = outputs.entries.single()
        question.writeUTF(name)
        question.flush()
        buffer.values = FloatArray(answer.readInt()) { answer.readFloat() }
    }

    override fun close() = Unit

    companion object {
        fun create(assets: Any, file: String, options: Options): CompiledModel {
            require(file.endsWith(".tflite") && options.accelerators.toList() == listOf(Accelerator.CPU))
            return CompiledModel()
        }
    }
}
