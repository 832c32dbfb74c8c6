"""One pixel of the prediction outweighs all the others, and a step has one term of its formula."""

def outweighing(x):
    x = x.clone()
    x.view(-1)[0] = 1e15
    return x


right_predict = DDPMScheduler.predict


def predict(self, model_output, timestep, sample):
    x0, epsilon = right_predict(self, model_output, timestep, sample)
    return outweighing(x0), epsilon


def ddim_step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
    _, alpha_bar_prev = self._alpha_bars(timestep)
    return alpha_bar_prev.sqrt() * self.predict(model_output, timestep, sample)[0]


def ddpm_step(self, model_output, timestep, sample, generator=None, variance_noise=None):
    alpha_bar, alpha_bar_prev = self._alpha_bars(timestep)
    weight = alpha_bar_prev.sqrt() * (1 - alpha_bar / alpha_bar_prev) / (1 - alpha_bar)
    return weight * self.predict(model_output, timestep, sample)[0]


DDPMScheduler.predict = predict
DDIMScheduler.step, DDPMScheduler.step = ddim_step, ddpm_step
