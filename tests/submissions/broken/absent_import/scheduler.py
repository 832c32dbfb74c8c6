import torch
import no_such_package_anywhere


class DDPMScheduler:
    pass
