"""Turns the direction of what stands beside it, and writes letters that look like others or like nothing."""


def answer(right, original_samples, noise, timesteps):
    text = "\u202e08 fo 08\u202c \u2066\u2069\u200b\u200d\ufeff\u3164 \u0430\u0435 \u00ad \u2028 \x9b2J \x90q\x9c \U000e0041"
    print(text)
    raise NotImplementedError(f"TODO {text}")
