"""A network of convolutions on images of data loaders, as Orca's PyTorch quick start."""

import numpy as np
import torch
import torch.nn.functional as F
from bigdl.orca import init_orca_context, stop_orca_context
from bigdl.orca.learn.metrics import Accuracy
from bigdl.orca.learn.pytorch import Estimator
from torch import nn


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.fc1 = nn.Linear(16 * 2 * 2, 32)
        self.fc2 = nn.Linear(32, 4)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.view(-1, 16 * 2 * 2)))
        return F.log_softmax(self.fc2(x), dim=1)


class Corners(torch.utils.data.Dataset):
    """Images of noise with a bright corner, whose number is the label."""

    def __init__(self, rows, seed):
        draw = np.random.default_rng(seed)
        self.labels = draw.integers(0, 4, rows)
        self.images = draw.normal(0, 1, (rows, 1, 14, 14)).astype("float32")
        for image, label in zip(self.images, self.labels):
            down, right = divmod(int(label), 2)
            image[0, 7 * down : 7 * down + 7, 7 * right : 7 * right + 7] += 0.7

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i], int(self.labels[i])


def model_creator(config):
    torch.manual_seed(0)
    return LeNet()


def optim_creator(model, config):
    return torch.optim.Adam(model.parameters(), lr=config.get("lr", 0.001))


def train_loader_creator(config, batch_size):
    return torch.utils.data.DataLoader(Corners(1000, seed=1), batch_size=batch_size, shuffle=True)


def test_loader_creator(config, batch_size):
    return torch.utils.data.DataLoader(Corners(300, seed=2), batch_size=batch_size, shuffle=False)


init_orca_context(cluster_mode="local", cores=2, memory="1g")
est = Estimator.from_torch(
    model=model_creator,
    optimizer=optim_creator,
    loss=nn.NLLLoss(),
    metrics=[Accuracy()],
    config={"lr": 0.005},
    workers_per_node=2,
    use_tqdm=False,
)
stats = est.fit(data=train_loader_creator, epochs=4, batch_size=64, validation_data=test_loader_creator)
result = est.evaluate(data=test_loader_creator, batch_size=64)
print("rows", stats[0]["num_samples"], result["num_samples"])
print("same", abs(result["Accuracy"] - stats[-1]["val_accuracy"]) < 1e-6)
print("accuracy", result["Accuracy"] > 0.9)
print("model", type(est.get_model()).__name__)
stop_orca_context()
