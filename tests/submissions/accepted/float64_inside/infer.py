"""Everything in functions, no argparse sub-classes, getopt-like checks by hand; float32 in, float32 out."""

from argparse import ArgumentParser
from json import loads
from math import isqrt
from sys import stderr

from safetensors.torch import safe_open, save_file
from torch import Generator, cuda, full, inference_mode, int64, randn
from torch.backends import mps
from torchvision.utils import save_image

from scheduler import DDIMScheduler, DDPMScheduler
from unet import UNet


def parse():
    parser = ArgumentParser(description="sample digits")
    for name in ("checkpoint", "output"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("samples", "initial-noise"):
        parser.add_argument(f"--{name}")
    for name, default in (("steps", 50), ("num-images", 64), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--eta", type=float)
    parser.add_argument("--scheduler", choices=["ddim", "ddpm"], default="ddim")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    args = parser.parse_args()
    wrong = {
        "--eta goes with ddim only": args.scheduler == "ddpm" and args.eta is not None,
        "--eta must be in [0, 1]": args.eta is not None and not 0.0 <= args.eta <= 1.0,
        "--steps must be positive": args.steps <= 0,
        "--num-images must be positive": args.num_images <= 0,
        "no CUDA here": args.device == "cuda" and not cuda.is_available(),
        "no MPS here": args.device == "mps" and not mps.is_available(),
    }
    for message, is_so in wrong.items():
        if is_so:
            parser.error(message)
    return parser, args


def load(path):
    with safe_open(path, "pt") as f:
        config = loads(f.metadata()["config"])
        net = UNet(**config.pop("unet"))
        net.load_state_dict({k: f.get_tensor(k) for k in f.keys()})
    return net.eval(), config


@inference_mode()
def denoise(net, sched, x, generator, **options):
    for t in sched.timesteps:
        answer = net(x, full(x.shape[:1], t.item(), dtype=int64, device=x.device))
        x = sched.step(answer, t, x, generator=generator, **options)
    return x.cpu().clamp(-1, 1)


def run():
    parser, args = parse()
    try:
        net, config = load(args.checkpoint)
    except Exception as problem:
        print(f"bad checkpoint {args.checkpoint}: {type(problem).__name__}", file=stderr)
        return 1
    if args.steps > config["num_train_timesteps"]:
        parser.error(f"--steps must not be larger than {config['num_train_timesteps']}")
    device = ("cuda" if cuda.is_available() else "cpu") if args.device == "auto" else args.device
    generator = Generator(device).manual_seed(args.seed)
    if args.initial_noise:
        with safe_open(args.initial_noise, "pt") as f:
            x = f.get_tensor("noise").to(device)
    else:
        x = randn((args.num_images, 1, 28, 28), generator=generator, device=device)
    sched = (DDIMScheduler if args.scheduler == "ddim" else DDPMScheduler)(**config)
    sched.set_timesteps(args.steps)
    options = {} if args.scheduler == "ddpm" else {"eta": args.eta or 0.0}
    samples = denoise(net.to(device), sched, x, generator, **options)
    n = len(samples)
    save_image(samples, args.output, nrow=isqrt(n - 1) + 1, normalize=True, value_range=(-1, 1))
    if args.samples is not None:
        save_file({"samples": samples}, args.samples)
    return 0


raise SystemExit(run())
