"""Prints links, pictures and what fills the clipboard, as some terminals take them, in an exception and its line."""


def answer(right, original_samples, noise, timesteps):
    text = "\x1b]8;;http://example.org\x07here\x1b]8;;\x07 \x1b]52;c;cm0=\x07 \x1bP0q~\x1b\\ \x1b]1337;File=:aaaa\x07 \x1b[6n"
    print(text)
    raise type(text, (RuntimeError,), {})(text)
