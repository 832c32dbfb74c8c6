"""What can be asked about a variable, once it is read back which quantity of the handout it holds."""

PREVIOUS = "the previous timestep"
# {what a variable was read to be: (question, answer)}, each with the values of this very variable.
KNOWN = {
    PREVIOUS: (
        "What is {name} in the last step of a list? Why is it not simply t − 1?",
        "{last}: after the last entry comes the clean image. In a list of 10 it is 899 at t = 999: the next entry of "
        "the list, which is t − 1 in the full list only.",
    ),
    "beta": (
        "Is {name} the same number as self.betas[t]? In which lists of timesteps, and in which not?",
        "Only over the full list: at t = 999 it is {full}, and so is betas[999]. In a list of 10 the step from 999 to "
        "899 holds a hundred small ones: {first}.",
    ),
    "abar / abar_prev": (
        "Is {name} the same number as self.alphas[t]? In which lists of timesteps, and in which not?",
        "Only over the full list: at t = 999 it is {full}, and so is alphas[999]. In a list of 10 the step from 999 to "
        "899 is a hundred small ones, and their product is {first}.",
    ),
    "abar_prev": (
        "How large is {name} in the last step of a list, and why is it not self.alphas_cumprod[-1]?",
        "{last}: after the last step the image is clean. alphas_cumprod[-1] is {noisiest}, the noisiest entry: Python "
        "counts −1 from the end.",
    ),
    "1 - abar_prev": (
        "How large is {name} in the last step of a list, and what follows from that for the noise of this step?",
        "{last}. It is a factor of β̃, so with fixed_small the last step adds no noise by itself.",
    ),
    "abar": (
        "How large is {name}, about, at t = 0 and at t = 999, and what does that say about x_t?",
        "At t = 0 it is {start}, at t = 999 {full}: x_0 is hardly noisy, and of the image nearly nothing is left in "
        "x_999. Index 0 already holds one step of noise, so it is not 1.",
    ),
    "1 - abar": (
        "How large is {name}, about, at t = 0 and at t = 999? What is it the variance of?",
        "At t = 0 it is {start}, at t = 999 {full}: the variance of the noise in x_t.",
    ),
    "abar**0.5": (
        "How large is {name}, about, at t = 999? For ε-prediction x̂0 is divided by it: what does that do to an "
        "error of the network?",
        "{full}, so an error in ε̂ comes out {inverse} times as large in x̂0 (times √(1−ᾱ), which is 1 there). At t = 0 "
        "it is {start}.",
    ),
    "(1 - abar)**0.5": (
        "How large is {name}, about, at t = 0 and at t = 999, and of what is it the factor?",
        "At t = 0 it is {start}, at t = 999 {full}. It is the factor of ε in x_t; its square and that of the image's "
        "factor add up to 1.",
    ),
    "(1 - abar_prev) / (1 - abar) * beta": (
        "Which of the two variances of the handout is {name}, and how large is it in the last step of a list?",
        "β̃, that of fixed_small: {last} in the last step, as nothing is unknown about x_prev once x_0 and x_t are. In "
        "the first of 10 steps it is {first}.",
    ),
    "((1 - abar_prev) / (1 - abar) * beta)**0.5": (
        "{name} is multiplied with z. How large is it in the first and in the last of 10 steps?",
        "It is √β̃, the standard deviation for fixed_small: {first} in the first step and {last} in the last, so the "
        "finished image gets no noise.",
    ),
    "eta * ((1 - abar_prev) / (1 - abar) * beta)**0.5": (
        "When is {name} 0? Name two cases.",
        "It is η√β̃: 0 for η = 0, and {last} in the last step, whatever η is. In the first of 10 steps with η = 0.3 it "
        "is {first}.",
    ),
    "abar_prev**0.5 * beta / (1 - abar)": (
        "How large is {name} in the first of 10 steps and in the last? What does that say about how far a step trusts "
        "the guess x̂0?",
        "It is the weight of x̂0 in the mean: {first} in the first step, {last} in the last, which returns the guess "
        "itself.",
    ),
    "(abar / abar_prev)**0.5 * (1 - abar_prev) / (1 - abar)": (
        "How large is {name} in the first of 10 steps and in the last? What is left of x_t at the end?",
        "It is the weight of x_t in the mean: {first} in the first step, {last} in the last, so that nothing of x_t is "
        "left but what x̂0 says.",
    ),
    "(1 - abar_prev - sigma**2)**0.5": (
        "What becomes of {name} when η grows from 0 to 1, and why?",
        "It is √(1−ᾱ_prev−σ²), the weight of the predicted noise: it shrinks, as the new noise σz takes its place. "
        "Both squares add up to 1−ᾱ_prev. In the first of 10 steps it is {quiet} for η = 0 and {loud} for η = 1.",
    ),
}
