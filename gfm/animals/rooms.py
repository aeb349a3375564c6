"""Scenes near people: a garden, lights, a room and a street."""

import numpy as np

from gfm.animals import plants
from gfm.animals.canvas import Canvas, defocus
from gfm.animals.light import Setting, make_lamp
from gfm.animals.noise import Array, floats, mix, noise_2d

PAINTS = (
    (206, 196, 178),
    (168, 182, 186),
    (196, 172, 150),
    (150, 164, 142),
    (214, 206, 198),
    (122, 134, 150),
    (186, 150, 128),
)


def garden(canvas: Canvas) -> Setting:
    """Paint a flowering hedge behind a lawn."""
    rng, height = canvas.rng, canvas.height
    horizon = rng.uniform(0.58, 0.75)
    colours = tuple(canvas.tone(green, 8) for green in plants.GREENS)
    canvas.image[:] = colours[0].astype(np.uint8) // 3
    leaf = height * rng.uniform(0.016, 0.04)
    num_leaves = int(height * canvas.width / leaf**2)
    plants.foliage(canvas, colours, leaf, num_leaves, -0.05, horizon + 0.05)
    petals = ((236, 150, 172), (244, 240, 236), (228, 196, 84), (196, 70, 76))
    tint = floats(petals[rng.integers(4)])
    for _ in range(int(rng.integers(0, 60))):
        middle = rng.uniform(0, canvas.width), rng.uniform(0, horizon) * height
        angle = np.linspace(0, 5.03, 5) + rng.uniform(0, 1)
        radius = leaf * rng.uniform(0.35, 0.6)
        x, y = middle[0] + radius * np.cos(angle), middle[1] + radius * np.sin(angle)
        canvas.discs(x, y, np.full(5, 0.7 * radius), tint * rng.uniform(0.8, 1.05, (5, 1)))
    lawn = canvas.tone((98, 126, 54))
    canvas.ground(int(horizon * height), lawn * 0.75, lawn)
    plants.grass(canvas, horizon * height, colours, height * 0.06, 5000)
    lamp = make_lamp(rng, (0.82, 0.78, 0.64), (0.42, 0.48, 0.46), (0.22, 0.26, 0.14), 0.75)
    return Setting(lamp, horizon)


def lights(canvas: Canvas) -> Setting:
    """Paint lights far out of focus, at dusk or between leaves."""
    rng, height = canvas.rng, canvas.height
    horizon = rng.uniform(0.6, 0.8)
    if rng.random() < 0.5:
        dark = canvas.tone((34, 40, 62), 6)
        warm = [(255, 190, 96), (255, 140, 70), (250, 226, 180), (110, 150, 230), (230, 90, 90)]
        canvas.gradient([(0, dark * 0.6), (0.7, dark * 1.3), (1, dark)], 0, height)
        strength, sun = 0.55, (0.8, 0.66, 0.5)
    else:
        dark = canvas.tone((58, 86, 46), 8)
        warm = [(190, 220, 130), (150, 196, 96), (236, 236, 170), (120, 170, 110)]
        canvas.gradient([(0, dark * 1.25), (0.6, dark), (1, dark * 0.6)], 0, height)
        strength, sun = 0.4, (0.78, 0.78, 0.56)
    field = noise_2d(rng, height, canvas.width, height * 0.5, 3)
    canvas.blend(floats(warm[0]), np.clip(0.14 * field, 0, 0.3))
    for size in (0.02, 0.05, 0.09):
        canvas.bokeh(int(rng.integers(14, 34)), height * size, warm, strength, horizon)
    floor = canvas.tone((74, 62, 54))
    canvas.ground(int(horizon * height), floor * 0.6, floor, 20)
    canvas.image = defocus(canvas.image, height / 240)
    lamp = make_lamp(rng, sun, (0.4, 0.42, 0.48), (0.22, 0.2, 0.18))
    return Setting(lamp, horizon)


def room(canvas: Canvas) -> Setting:
    """Paint a wall, a window, shelves, and a wooden floor with or without a rug."""
    rng, height, width = canvas.rng, canvas.height, canvas.width
    horizon = int(height * rng.uniform(0.6, 0.74))
    wall = canvas.tone(PAINTS[rng.integers(len(PAINTS))])
    fall = np.linspace(1.08, 0.8, width, dtype=np.float32)[None, :, None]
    lit = np.clip(wall * fall[:, :: rng.choice([-1, 1])], 0, 255)
    canvas.blend(lit * np.ones((horizon, 1, 1), np.float32))
    left = rng.random() < 0.5
    _window(canvas, width * (0.06 if left else 0.6), horizon)
    _shelf(canvas, width * (0.55 if left else 0.06), horizon)
    _boards(canvas, horizon)
    skirting = _box(0, horizon - 0.03 * height, width, horizon)
    canvas.polygon(skirting, canvas.tone((226, 222, 214), 6))
    if rng.random() < 0.6:
        angle = np.linspace(0, 2 * np.pi, 60)
        middle, rug = width * rng.uniform(0.3, 0.7), canvas.tone(PAINTS[rng.integers(7)], 25)
        for ring, share in ((1.0, 0.8), (0.93, 1.0), (0.62, 0.86), (0.55, 1.05)):
            x = middle + ring * 0.42 * width * np.cos(angle)
            y = 0.9 * height + ring * 0.13 * height * np.sin(angle)
            canvas.polygon(np.stack([x, y], axis=1), rug * share)
    lamp = make_lamp(rng, (0.72, 0.68, 0.6), (0.46, 0.46, 0.46), (0.26, 0.23, 0.2), 0.4, 0.7)
    return Setting(lamp, horizon / height)


def _box(left: float, top: float, right: float, bottom: float) -> Array:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _window(canvas: Canvas, left: float, horizon: int) -> None:
    rng, wide = canvas.rng, canvas.width * canvas.rng.uniform(0.24, 0.36)
    top, bottom = horizon * 0.08, horizon * rng.uniform(0.62, 0.78)
    frame, pane = canvas.tone((236, 234, 228), 6), 0.028 * canvas.height
    canvas.polygon(_box(left - pane, top - pane, left + wide + pane, bottom + pane), frame)
    canvas.polygon(_box(left, top, left + wide, bottom), canvas.tone((206, 224, 240), 10))
    middle = 0.5 * (top + bottom)
    inside = canvas.image[int(top) : int(bottom), int(max(left, 0)) : int(left + wide)]
    view = Canvas(rng, max(inside.shape[0], 2), max(inside.shape[1], 2))
    view.gradient([(0, (196, 220, 244)), (1, (232, 240, 240))], 0, view.height)
    for x in rng.uniform(0, view.width, 5):
        size, colour = view.height * rng.uniform(0.4, 0.8), plants.GREENS[rng.integers(4)]
        plants.leafy_tree(view, x, view.height, size, colour, (226, 236, 236), 0.35)
    inside[:] = defocus(view.image, view.height / 40)[: inside.shape[0], : inside.shape[1]]
    canvas.polygon(_box(left + 0.48 * wide, top, left + 0.52 * wide, bottom), frame)
    canvas.polygon(_box(left, middle - 0.4 * pane, left + wide, middle + 0.4 * pane), frame)


def _shelf(canvas: Canvas, left: float, horizon: int) -> None:
    rng, wide, wood = canvas.rng, canvas.width * 0.36, canvas.tone((128, 92, 62), 18)
    top = horizon * rng.uniform(0.1, 0.35)
    canvas.polygon(_box(left, top, left + wide, horizon), wood * 0.62)
    boards = int(rng.integers(3, 5))
    for row in range(boards):
        low = top + (row + 1) * (horizon - top) / boards
        x, room_above = left + 0.02 * wide, 0.8 * (horizon - top) / boards
        while x < left + 0.92 * wide:
            thick = wide * rng.uniform(0.02, 0.06)
            tall = room_above * rng.uniform(0.55, 0.98)
            if rng.random() < 0.8:
                tint = canvas.tone(PAINTS[rng.integers(7)], 45) * rng.uniform(0.5, 1.0)
                canvas.polygon(_box(x, low - tall, x + thick * 0.94, low), tint)
            x += thick
        canvas.polygon(_box(left, low - 0.012 * canvas.height, left + wide, low), wood)
    canvas.polygon(_box(left, top, left + 0.02 * wide, horizon), wood * 0.9)
    canvas.polygon(_box(left + 0.98 * wide, top, left + wide, horizon), wood * 0.8)


def _boards(canvas: Canvas, horizon: int) -> None:
    rng, height, width = canvas.rng, canvas.height, canvas.width
    wood = canvas.tone((166, 122, 82), 20)
    canvas.ground(horizon, wood * 0.8, wood, 12)
    vanish = np.array([width * rng.uniform(0.3, 0.7), horizon - 0.6 * height])
    for x in np.arange(-1.6, 2.6, 0.12) * width:
        foot = np.array([[x, height], [x + 0.116 * width, height]])
        share = (horizon - vanish[1]) / (height - vanish[1])
        top = vanish + share * (foot - vanish)
        corners = np.concatenate([foot, top[::-1]])
        canvas.polygon(corners, mix(wood * rng.uniform(0.84, 1.1), wood, 0.3))
    grain = noise_2d(rng, height - horizon, width, (height * 0.05, height * 0.02), 4)
    canvas.blend(wood * 0.6, np.clip(0.16 * grain, 0, 0.4), horizon)


def street(canvas: Canvas) -> Setting:
    """Paint house fronts, a pavement and a road."""
    rng, height, width = canvas.rng, canvas.height, canvas.width
    horizon = int(height * rng.uniform(0.5, 0.62))
    sky = [(0, canvas.tone((140, 172, 208))), (1, canvas.tone((214, 222, 228)))]
    canvas.gradient(sky, 0, horizon)
    canvas.clouds(max(horizon, 8), (244, 246, 248), 0.1)
    x = -rng.uniform(0, 0.1) * width
    while x < width:
        wide = width * rng.uniform(0.16, 0.32)
        _house(canvas, x, wide, horizon, height * rng.uniform(0.3, 0.62))
        x += wide
    pavement = canvas.tone((150, 146, 142))
    canvas.ground(horizon, pavement * 0.9, pavement, 14)
    for x in rng.uniform(0, width, 3):
        size, colour = height * rng.uniform(0.3, 0.5), plants.GREENS[rng.integers(4)]
        plants.leafy_tree(canvas, x, horizon + 0.05 * height, size, colour, (200, 210, 216), 0.1)
    lamp = make_lamp(rng, (0.8, 0.76, 0.68), (0.46, 0.5, 0.56), (0.28, 0.27, 0.26))
    return Setting(lamp, horizon / height)


def _house(canvas: Canvas, left: float, wide: float, foot: int, tall: float) -> None:
    rng, wall = canvas.rng, canvas.tone(PAINTS[canvas.rng.integers(7)], 24)
    canvas.polygon(_box(left, foot - tall, left + wide, foot), wall)
    eaves, ridge = foot - tall, foot - 1.18 * tall
    roof = [[left - 0.02 * wide, eaves], [left + 0.5 * wide, ridge], [left + 1.02 * wide, eaves]]
    canvas.polygon(np.array(roof), canvas.tone((132, 82, 66), 14))
    columns, floors = int(rng.integers(3, 5)), int(max(2, tall / (0.13 * canvas.height)))
    for row in range(floors):
        for column in range(columns):
            x = left + wide * (column + 0.28) / columns
            y = foot - tall + tall * (row + 0.2) / floors
            size = np.array([0.44 * wide / columns, 0.55 * tall / floors])
            canvas.polygon(_box(x - 3, y - 3, x + size[0] + 3, y + size[1] + 3), wall * 1.12)
            glass = canvas.tone((86, 104, 124), 18)
            canvas.polygon(_box(x, y, x + size[0], y + size[1]), glass)
            canvas.polygon(_box(x, y, x + 0.5 * size[0], y + 0.6 * size[1]), glass * 1.25)
