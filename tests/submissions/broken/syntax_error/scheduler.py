import torch


class DDPMScheduler
    def __init__(self, num_train_timesteps=1000):
        self.timesteps = torch.arange(num_train_timesteps)
