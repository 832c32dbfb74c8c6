"""用检查点和你的调度器生成数字：你照着本页写的程序。讲义第 6 部分。

    python infer.py --checkpoint FILE --output samples.png [--samples FILE.safetensors]
                    [--scheduler ddim|ddpm] [--steps 50] [--eta 0.0] [--num-images 64] [--seed 0]
                    [--initial-noise FILE.safetensors] [--device auto|cpu|cuda|mps]

各个参数，可以直接复制；没有给出的，取这里的默认值：

    parser = argparse.ArgumentParser(description="Digits from a checkpoint")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--samples")
    parser.add_argument("--scheduler", choices=("ddim", "ddpm"), default="ddim")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--eta", type=float, default=0.0)
    parser.add_argument("--num-images", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--initial-noise")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    options = parser.parse_args()

输入
    --checkpoint     train.py 存下的文件：一个 safetensors 文件，里面是网络的权重；元数据的 "config" 一项是 JSON，
                     其中有 `unet`（UNet 的参数）、`prediction_type`、`beta_schedule`、`num_train_timesteps`、
                     `beta_start` 和 `beta_end`（调度器的参数）
    --scheduler      variance_type 和 clip_sample 取类的默认值
    --steps          走多少个时间步
    --eta            DDIM 的 eta；DDPM 没有
    --num-images     N
    --seed           种子、设备和参数都相同，像素就相同
    --initial-noise  一个 safetensors 文件，其中的张量 `noise`，N x 1 x 28 x 28，用作采样的起点，不再抽取；N 也由它
                     决定，不管 --num-images 是多少
    --device         auto：有 cuda 就用 cuda，没有就用 cpu
输出
    --output         一张 PNG：用 torchvision 的网格排列图像，每行 ceil(sqrt(N)) 幅，间隔 2；样本值 x 在 [-1, 1] 之内，
                     像素值是 (x + 1) / 2，舍入到 8 位
    --samples        一个 safetensors 文件，其中的张量 `samples` 是 float32，N x 1 x 28 x 28，截断到 [-1, 1]
退出状态
    0                要求的内容全部写好了
    1                检查点不存在或无法读取：向 stderr 输出一行，不要 traceback
    2                用法错误：argparse 自己会处理；步数多于检查点的时间步时，用 parser.error("原因")

调度器来自你的 scheduler.py，网络是 unet.py 的 UNet；给 infer.py 评分时，本文件夹里没有别的文件。网络的调用方法是
model(x, t)，其中 t 是形状 (B,) 的 int64 张量：调度器列表中的时间步。
"""

# TODO 6.1: everything: arguments, checkpoint, the loop over the timesteps, picture and samples (about 50 lines)
raise NotImplementedError("TODO 6.1")
