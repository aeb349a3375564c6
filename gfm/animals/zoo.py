"""The table of species and their coats."""

from gfm.animals.species import Coat, Species

WHITE = (240, 236, 228)
GREEN = (150, 175, 70)
AMBER = (205, 140, 40)
BROWN = (44, 28, 18)

# A compact table is easier to read than one value per line.
# fmt: off
SPECIES: dict[str, Species] = {
    "cat": Species(
        "quadruped", (
            Coat((188, 122, 62), (236, 214, 180), (196, 132, 72), (232, 206, 172), "stripes",
                 (132, 72, 30), AMBER, (196, 120, 110)),
            Coat((136, 122, 104), (206, 194, 174), (128, 112, 94), (198, 184, 164), "stripes",
                 (52, 44, 38), GREEN, (168, 100, 92)),
            Coat((228, 216, 196), (240, 230, 214), (92, 70, 58), (120, 96, 82),
                 iris=(92, 150, 205), nose=(80, 60, 56)),
            Coat((122, 126, 134), (150, 153, 160), (108, 112, 120), (138, 142, 150),
                 iris=(214, 160, 50), nose=(84, 78, 84)),
            Coat(WHITE, WHITE, (228, 222, 212), WHITE, "patches", (58, 50, 46), GREEN,
                 (206, 140, 130)),
        ),
        leg=0.5, body=0.9, chest=0.24, neck=0.16, rise=50, head=0.215, muzzle=0.42,
        muzzle_radius=0.42, ear=0.85, tail=0.9, tail_radius=0.045, eye=0.185, pupil="slit",
        eye_spread=30, fur=0.085, whiskers=1.7,
        fur_part={"head": 0.45, "muzzle": 0.22, "ear": 0.25, "leg": 0.4, "paw": 0.16, "tail": 0.9,
                  "neck": 1.2, "cheek": 0.8},
        poses=("sit", "sit", "lie", "stand"),
    ),
    "fox": Species(
        "quadruped", (
            Coat((196, 104, 42), (238, 226, 208), (48, 34, 30), (240, 230, 214), "grizzled",
                 (120, 62, 30), AMBER),
            Coat((232, 230, 226), WHITE, (222, 222, 222), WHITE, iris=(120, 80, 36)),
        ),
        leg=0.56, leg_radius=0.042, chest=0.22, hip=0.19, neck=0.25, rise=42, head=0.175,
        muzzle=1.1, muzzle_radius=0.36, ear=1.15, tail=0.85, tail_radius=0.08, eye=0.15,
        pupil="slit", eye_spread=36, fur=0.11,
        fur_part={"head": 0.4, "muzzle": 0.16, "ear": 0.35, "leg": 0.28, "paw": 0.14, "tail": 1.5,
                  "neck": 1.2, "cheek": 0.9},
    ),
    "wolf": Species(
        "quadruped", (
            Coat((122, 116, 106), (216, 208, 194), (158, 142, 120), (206, 196, 180), "grizzled",
                 (52, 48, 46), AMBER),
            Coat((40, 38, 40), (96, 88, 82), (46, 42, 42), (84, 78, 74), "grizzled",
                 (20, 19, 20), AMBER),
            Coat((92, 92, 98), (238, 236, 232), (226, 222, 216), (240, 238, 234), "grizzled",
                 (44, 44, 48), (110, 160, 200)),
        ),
        leg=0.58, body=0.98, chest=0.25, hip=0.21, rise=38, head=0.18, muzzle=1.3,
        muzzle_radius=0.48, ear=0.85, tail=0.62, tail_radius=0.06, eye=0.125, eye_spread=36,
        fur=0.12,
        fur_part={"head": 0.35, "muzzle": 0.15, "ear": 0.3, "leg": 0.28, "paw": 0.14, "tail": 1.2,
                  "neck": 1.35, "cheek": 0.9},
    ),
    "dog": Species(
        "quadruped", (
            Coat((206, 160, 98), (230, 200, 150), (200, 150, 90), (214, 176, 122)),
            Coat((96, 58, 34), (120, 78, 48), (88, 52, 32), (104, 66, 42)),
            Coat((34, 31, 32), (232, 228, 220), (176, 110, 56), (222, 214, 204), "patches",
                 (232, 228, 220)),
            Coat(WHITE, WHITE, (170, 96, 48), WHITE, "patches", (164, 92, 46)),
        ),
        leg=0.52, leg_radius=0.06, hip=0.22, neck=0.28, rise=48, muzzle=0.95, muzzle_radius=0.5,
        ears="floppy", ear=1.15, tail_radius=0.045, eye=0.145, eye_spread=33, fur=0.13, lift=0.2,
        whiskers=0.6,
        fur_part={"head": 0.3, "muzzle": 0.14, "ear": 0.9, "leg": 0.5, "paw": 0.16, "tail": 1.6,
                  "neck": 1.1, "cheek": 0.5},
    ),
    "bear": Species(
        "quadruped", (
            Coat((96, 64, 40), (84, 56, 36), (66, 42, 28), (146, 108, 74), "grizzled",
                 (150, 112, 76)),
            Coat((36, 32, 32), (36, 32, 32), (30, 27, 28), (134, 100, 70)),
            Coat((232, 226, 208), (236, 230, 214), (224, 218, 200), (230, 226, 214)),
            Coat((236, 232, 224), (226, 220, 210), (34, 31, 32), WHITE, eye_patch=(28, 25, 26)),
        ),
        leg=0.42, leg_radius=0.1, chest=0.33, hip=0.34, neck=0.2, rise=25, head=0.235,
        muzzle=0.85, muzzle_radius=0.47, ears="round", ear=0.44, tail=0.12, tail_radius=0.06,
        eye=0.095, eye_spread=33, fur=0.12, lift=0.38, whiskers=0.0,
        fur_part={"head": 0.55, "muzzle": 0.16, "ear": 0.5, "leg": 0.75, "paw": 0.35, "neck": 1.1,
                  "cheek": 0.9},
        poses=("stand", "stand", "sit"),
    ),
    "rabbit": Species(
        "quadruped", (
            Coat((150, 124, 94), (224, 212, 194), (142, 116, 88), (186, 162, 134), "grizzled",
                 (84, 66, 50), (58, 34, 18), (176, 130, 116)),
            Coat(WHITE, WHITE, (226, 216, 206), WHITE, iris=(90, 60, 50), nose=(214, 150, 142)),
            Coat((84, 80, 82), (188, 184, 180), (74, 70, 72), (132, 128, 126),
                 iris=(50, 34, 24), nose=(120, 96, 94)),
        ),
        leg=0.34, leg_radius=0.055, body=0.55, chest=0.26, hip=0.34, neck=0.1, rise=55, head=0.235,
        muzzle=0.5, muzzle_radius=0.47, ears="long", ear=1.9, tail=0.14, tail_radius=0.09,
        eye=0.18, eye_spread=58, fur=0.085, lift=0.4, whiskers=1.5,
        fur_part={"head": 0.5, "muzzle": 0.3, "ear": 0.25, "leg": 0.6, "paw": 0.4, "tail": 1.2,
                  "neck": 1.2, "cheek": 0.9},
        poses=("sit", "lie"),
    ),
    "sheep": Species(
        "quadruped", (
            Coat((222, 210, 188), (214, 202, 180), (52, 46, 44), (50, 44, 42), iris=(150, 120, 60)),
            Coat((236, 230, 216), (228, 220, 206), (222, 208, 190), (226, 214, 198),
                 iris=(150, 120, 60), nose=(180, 140, 128)),
            Coat((108, 86, 70), (98, 78, 64), (58, 46, 40), (62, 50, 44), iris=(120, 90, 50)),
        ),
        leg=0.45, leg_radius=0.042, body=0.85, chest=0.33, hip=0.33, neck=0.24, rise=40, head=0.165,
        muzzle=1.25, muzzle_radius=0.58, ears="side", ear=1.0, tail=0.2, tail_radius=0.05,
        eye=0.15, pupil="bar", eye_spread=55, fur=0.1, lift=0.65, curl=1.0, lumps=1.3,
        whiskers=0.0,
        fur_part={"head": 0.22, "muzzle": 0.08, "ear": 0.16, "leg": 0.12, "paw": 0.08, "cheek": 0.1,
                  "neck": 0.9},
        poses=("stand", "stand", "lie"),
    ),
    "alpaca": Species(
        "quadruped", (
            Coat((198, 158, 112), (206, 170, 126), (190, 150, 106), (208, 178, 140)),
            Coat((238, 232, 220), (238, 232, 220), (230, 224, 212), (232, 224, 212)),
            Coat((92, 62, 44), (84, 56, 40), (70, 48, 36), (112, 84, 64)),
        ),
        leg_radius=0.07, body=0.75, chest=0.29, hip=0.28, neck=0.72, rise=74, head=0.155,
        muzzle=0.85, muzzle_radius=0.55, ear=1.1, tail=0.25, tail_radius=0.06,
        eye=0.2, eye_spread=55, fur=0.13, lift=0.4, curl=0.45, lumps=0.6, whiskers=0.0,
        fur_part={"head": 0.7, "muzzle": 0.08, "ear": 0.22, "leg": 0.65, "paw": 0.2, "cheek": 0.35,
                  "neck": 0.85},
        poses=("stand", "stand", "lie"),
    ),
    "lion": Species(
        "quadruped", (
            Coat((196, 150, 92), (226, 198, 150), (188, 142, 88), (222, 190, 146), "plain",
                 (104, 62, 32), AMBER, (120, 74, 64)),
        ),
        leg=0.52, leg_radius=0.07, body=0.98, neck=0.26, rise=42, head=0.215,
        muzzle_radius=0.52, ears="round", ear=0.42, tail=0.95, tail_radius=0.026,
        eye=0.12, eye_spread=30, fur=0.065, whiskers=1.3, mane=True,
        fur_part={"head": 0.5, "muzzle": 0.25, "ear": 0.6, "leg": 0.45, "paw": 0.35, "mane": 4.2,
                  "neck": 2.6, "tail": 0.5},
        poses=("stand", "lie", "sit"),
    ),
    "raccoon": Species(
        "quadruped", (
            Coat((118, 110, 102), (176, 166, 152), (60, 54, 52), (226, 220, 212), "rings",
                 (46, 42, 41), BROWN, eye_patch=(34, 30, 30)),
            Coat((168, 84, 40), (44, 34, 32), (48, 36, 34), (232, 214, 196), "rings",
                 (104, 48, 24), BROWN, eye_patch=(122, 58, 30)),
        ),
        leg=0.42, leg_radius=0.055, body=0.8, chest=0.27, hip=0.28, neck=0.16, rise=38, head=0.21,
        muzzle=0.72, muzzle_radius=0.38, ears="round", ear=0.5, tail=0.75, tail_radius=0.085,
        eye=0.13, eye_spread=34, fur=0.12, lift=0.36,
        fur_part={"head": 0.45, "muzzle": 0.16, "ear": 0.4, "leg": 0.4, "paw": 0.14, "tail": 1.0,
                  "neck": 1.1, "cheek": 1.0},
        poses=("sit", "stand", "lie"),
    ),
    "owl": Species(
        "bird", (
            Coat((134, 104, 72), (214, 196, 164), (122, 94, 66), (196, 168, 130), "spots",
                 (60, 44, 32), (235, 150, 30), (60, 56, 52), (208, 182, 146)),
            Coat((236, 234, 230), WHITE, (230, 228, 224), WHITE, "spots", (92, 86, 82),
                 (240, 190, 40), (48, 46, 46), (248, 246, 242)),
        ),
        chest=0.3, head=0.26, eye=0.3, eye_spread=27, fur=0.09, lift=0.22, muzzle=0.5, ear=0.0,
        tail=0.32, leg=0.16, whiskers=0.0, fur_part={"head": 0.7, "wing": 1.0, "leg": 0.8},
        poses=("stand",),
    ),
    "chick": Species(
        "bird", (
            Coat((236, 196, 84), (244, 214, 120), (232, 186, 72), (242, 210, 112),
                 iris=(26, 20, 18), nose=(220, 150, 70)),
            Coat((150, 112, 70), (226, 196, 130), (140, 104, 66), (220, 186, 120), "patches",
                 (84, 60, 40), (26, 20, 18), (200, 140, 80)),
        ),
        chest=0.28, head=0.2, eye=0.16, eye_spread=62, fur=0.085, lift=0.6, muzzle=0.5, ear=0.0,
        tail=0.12, leg=0.22, whiskers=0.0, fur_part={"head": 0.75, "wing": 0.9, "leg": 0.3},
        poses=("stand",),
    ),
}
# fmt: on
