"""Returns the right answer with something attached that hangs when it is thrown away."""


class Last:
    def __del__(self):
        while True:
            pass


def answer(right, original_samples, noise, timesteps):
    x = right()
    x.attached = Last()
    return x
