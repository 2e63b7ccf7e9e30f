"""Checkpoints as files that run elsewhere: TFLite for phones and browsers, ONNX for everything else.

formats      FORMATS: what can be made, how faithful each must be, what is missing on this machine
interface    what each task's file takes and gives, by name, with the inputs that check it
rewriting    networks as LiteRT takes them, and quicker
tflite       conversion, quantization, metadata and the LiteRT interpreter
onnx         conversion, metadata and the ONNX runtime
parity       a file's output and speed next to PyTorch's
worker       the child process that does all of this
process      starts that child, follows it, bounds its time and memory
records      exports/ in a checkpoint folder, and its exports.json
making       an export from beginning to end: made, checked, recorded, told in the card
card         the section of the model card
android      Kotlin and a README that know this very model
web          a folder of static files that runs it in a browser

Only `tflite` and `onnx` import converters and runtimes, `interface`, `rewriting`, `parity` and `worker` torch; what the
page needs at its start (`formats`, `records`) loads neither.
"""
