"""Natural scenes. Each function paints a canvas and returns its light and horizon."""

import numpy as np

from gfm.animals import plants
from gfm.animals.canvas import Canvas
from gfm.animals.light import Setting, make_lamp
from gfm.animals.noise import Array, floats, mix, noise_2d, smoothstep
from gfm.animals.plants import Palette


def meadow(canvas: Canvas) -> Setting:
    """Paint grass and flowers under a summer sky, with hills and trees behind."""
    rng, height, width = canvas.rng, canvas.height, canvas.width
    horizon = int(height * rng.uniform(0.34, 0.52))
    haze = canvas.tone((196, 212, 224), 8)
    canvas.gradient([(0, canvas.tone((88, 138, 196))), (1, haze)], 0, horizon + 4)
    canvas.clouds(horizon, (248, 248, 250), rng.uniform(-0.4, 0.5))
    green = canvas.tone((96, 122, 52))
    _hills(canvas, horizon, green, haze)
    for x in np.sort(rng.uniform(-0.05, 1.05, rng.integers(6, 16))) * width:
        colour = canvas.tone(plants.GREENS[rng.integers(4)], 9)
        foot, size = horizon + rng.uniform(0, 0.03) * height, height * rng.uniform(0.09, 0.3)
        plants.leafy_tree(canvas, x, foot, size, colour, haze, rng.uniform(0.1, 0.4))
    canvas.ground(horizon, mix(green, haze, 0.2), green * 0.8)
    palette = (canvas.tone((92, 122, 44)), canvas.tone((124, 148, 62)), canvas.tone((70, 98, 36)))
    plants.grass(canvas, horizon, palette, height * rng.uniform(0.06, 0.16), 7000)
    if rng.random() < 0.6:
        petals = ((240, 236, 240), (226, 90, 70), (236, 190, 60), (170, 110, 190))
        first = rng.integers(4)
        colours = petals[first], petals[(first + 1) % 4]
        plants.flowers(canvas, horizon, colours, height * 0.009, 260)
    lamp = make_lamp(rng, (0.86, 0.8, 0.66), (0.44, 0.5, 0.58), (0.22, 0.26, 0.14))
    return Setting(lamp, horizon / height)


def _hills(canvas: Canvas, horizon: int, green: Array, haze: Array) -> None:
    height, width = canvas.height, canvas.width
    for step in range(3):
        base, cell = horizon - height * (0.1 - 0.035 * step), width * (0.5 - 0.1 * step)
        colour = mix(haze, green * [0.7, 0.8, 0.8], (step + 1) / 3.5)
        canvas.ridge(base, height * 0.045, cell, colour, mix(colour, haze, 0.4), 4)


def _woods(canvas: Canvas, air: Array, bark: Array, leaves: Palette, floor: Array) -> Setting:
    rng, height, width = canvas.rng, canvas.height, canvas.width
    horizon = int(height * rng.uniform(0.42, 0.58))
    canvas.gradient([(0, air), (1, mix(air, leaves[1], 0.35))], 0, horizon + 4)
    for depth in (0.75, 0.55, 0.35):
        for _ in range(int(14 * depth) + 6):
            colour = mix(mix(leaves[rng.integers(len(leaves))], bark, 0.3), air, depth)
            x, y = rng.uniform(0, width), rng.uniform(-0.1, 0.85) * horizon
            spread = height * 0.06 * rng.normal(0, 1, (2, 90))
            radius = height * rng.uniform(0.003, 0.013, 90)
            tint = np.clip(colour * rng.uniform(0.82, 1.15, (90, 1)), 0, 255)
            canvas.discs(x + 1.6 * spread[0], y + spread[1], radius, tint)
        foot, colour = horizon + height * 0.05 * (1 - depth), mix(bark, air, depth)
        for x in rng.uniform(0, width, int(9 * depth) + 4):
            wide = height * (0.045 - 0.04 * depth) * rng.uniform(0.6, 1.3)
            plants.trunk(canvas, x, wide, foot, colour)
    canvas.ground(horizon, mix(floor, air, 0.3), floor * 0.85, 34, 0.2)
    for x in rng.uniform(-0.05, 1.05, 5) * width:
        wide, foot = height * rng.uniform(0.03, 0.075), horizon + height * rng.uniform(0.05, 0.22)
        plants.trunk(canvas, x, wide, foot, canvas.tone(bark))
    canvas.glow(width * rng.uniform(0.2, 0.8), height * 0.15, height * 0.5, (250, 246, 214), 0.45)
    lamp = make_lamp(rng, (0.8, 0.76, 0.64), (0.44, 0.47, 0.43), (0.22, 0.2, 0.16), 0.8)
    return Setting(lamp, horizon / height)


def forest(canvas: Canvas) -> Setting:
    """Paint a green wood with ferns."""
    air, bark = canvas.tone((176, 196, 160)), canvas.tone((78, 62, 48))
    setting = _woods(canvas, air, bark, plants.GREENS, canvas.tone((84, 84, 46)))
    horizon = setting.horizon * canvas.height
    plants.grass(canvas, horizon + 0.04 * canvas.height, plants.GREENS, 0.1 * canvas.height, 3500)
    return setting


def autumn(canvas: Canvas) -> Setting:
    """Paint an autumn wood with leaves on the ground."""
    air, bark = canvas.tone((222, 202, 158)), canvas.tone((66, 52, 44))
    setting = _woods(canvas, air, bark, plants.AUTUMN, canvas.tone((132, 88, 44)))
    plants.foliage(canvas, plants.AUTUMN, canvas.height * 0.013, 2600, setting.horizon + 0.03)
    return setting


def mountains(canvas: Canvas) -> Setting:
    """Paint peaks behind firs, with a pasture or, in winter, a snow field."""
    rng, height, width = canvas.rng, canvas.height, canvas.width
    winter = rng.random() < 0.5
    horizon = int(height * rng.uniform(0.46, 0.58))
    haze = canvas.tone((198, 212, 228) if winter else (190, 206, 222), 8)
    canvas.gradient([(0, canvas.tone((112, 154, 204))), (1, haze)], 0, horizon + 4)
    canvas.clouds(horizon, (246, 247, 250), rng.uniform(-0.5, 0.2))
    _peaks(canvas, horizon, haze)
    near = canvas.tone((226, 232, 242) if winter else (104, 118, 58))
    canvas.ground(
        horizon, mix(near, haze, 0.4), near * (0.94 if winter else 0.8), 10 if winter else 26
    )
    needle = canvas.tone((44, 66, 50))
    for place in np.sort(rng.random(rng.integers(10, 26))):
        foot, size = horizon + height * 0.14 * place**2, height * (0.1 + 0.26 * place)
        colour, snow = mix(needle, haze, 0.4 * (1 - place)), 0.8 if winter else 0.0
        plants.conifer(canvas, rng.uniform(0, width), foot, size, colour, snow)
    if winter:
        lamp = make_lamp(rng, (0.74, 0.7, 0.64), (0.5, 0.56, 0.66), (0.44, 0.48, 0.54))
    else:
        plants.grass(canvas, horizon + 4, plants.GREENS, height * 0.07, 5000)
        lamp = make_lamp(rng, (0.84, 0.8, 0.7), (0.44, 0.5, 0.6), (0.22, 0.24, 0.16))
    return Setting(lamp, horizon / height)


def _peaks(canvas: Canvas, horizon: int, haze: Array) -> None:
    height, width, rock = canvas.height, canvas.width, canvas.tone((112, 116, 132))
    crest = canvas.ridge(
        horizon - height * 0.24, height * 0.14, width * 0.32, rock, mix(rock, haze, 0.7), 7
    )
    _snow_caps(canvas, crest, horizon)
    for step in range(2):
        base = horizon - height * (0.08 - 0.04 * step)
        colour = mix(haze, (62, 84, 74), 0.5 + 0.25 * step)
        canvas.ridge(base, height * 0.05, width * 0.35, colour, mix(colour, haze, 0.35), 6)


def _snow_caps(canvas: Canvas, crest: Array, horizon: int) -> None:
    top = int(max(crest.min(), 0))
    if top >= horizon:
        return
    rows = np.arange(top, horizon, dtype=np.float32)[:, None]
    rough = noise_2d(canvas.rng, horizon - top, canvas.width, canvas.height * 0.07, 5, 0.65)
    reach = canvas.height * 0.07
    below = rows - crest
    snow = smoothstep(reach, 0.3 * reach, below + 1.3 * reach * rough) * (below > 0)
    tone = 236 + 26 * np.clip(np.gradient(rough, axis=1) * 9, -1.6, 0.6)
    canvas.blend(tone[..., None] * floats([0.97, 0.99, 1.03]), 0.9 * snow, top)


def beach(canvas: Canvas) -> Setting:
    """Paint sand, surf and the sea."""
    rng, height, width = canvas.rng, canvas.height, canvas.width
    horizon, shore = int(height * rng.uniform(0.28, 0.4)), int(height * rng.uniform(0.5, 0.62))
    haze = canvas.tone((206, 220, 228), 8)
    canvas.gradient([(0, canvas.tone((98, 156, 212))), (1, haze)], 0, horizon)
    canvas.clouds(horizon, (250, 250, 250), rng.uniform(-0.3, 0.5))
    deep, shallow = canvas.tone((38, 98, 136)), canvas.tone((112, 182, 182))
    canvas.gradient([(0, deep), (0.7, mix(deep, shallow, 0.6)), (1, shallow)], horizon, height)
    waves = noise_2d(rng, height - horizon, width, (height * 0.02, width * 0.14), 4, 0.6)
    canvas.blend(floats([214, 234, 238]), 0.5 * smoothstep(0.4, 1.1, waves), horizon)
    sand = canvas.tone((214, 190, 148))
    profile = noise_2d(rng, 1, width, (1.0, width * 0.3), 4)[0] * height * 0.015 + shore
    edge = shore - int(0.06 * height)
    rows = np.arange(edge, height, dtype=np.float32)[:, None]
    foam = np.exp(-(((rows - profile) / (0.009 * height)) ** 2))
    wet = smoothstep(-2, 2, rows - profile)
    tone = mix(sand * 0.72, sand, smoothstep(0, 0.16 * height, rows - profile)[..., None])
    grain = noise_2d(rng, len(rows), width, (height * 0.03, height * 0.09), 6, 0.75)
    canvas.blend(tone + 9 * grain[..., None], wet, edge)
    canvas.blend(floats([246, 248, 248]), np.clip(foam * (1 + 0.6 * grain), 0, 0.95), edge)
    lamp = make_lamp(rng, (0.88, 0.82, 0.7), (0.46, 0.52, 0.6), (0.36, 0.32, 0.24))
    return Setting(lamp, shore / height)


def savanna(canvas: Canvas) -> Setting:
    """Paint dry grass and acacias in front of a low sun."""
    rng, height, width = canvas.rng, canvas.height, canvas.width
    horizon = int(height * rng.uniform(0.4, 0.56))
    glow = canvas.tone((252, 196, 112), 8)
    sky = [(0, canvas.tone((134, 116, 142))), (0.55, canvas.tone((232, 156, 104))), (1, glow)]
    canvas.gradient(sky, 0, horizon + 4)
    canvas.clouds(horizon, canvas.tone((250, 176, 122)), rng.uniform(-0.4, 0.3))
    sun = (width * rng.uniform(0.15, 0.85), horizon - height * rng.uniform(0.03, 0.16))
    canvas.glow(*sun, height * 0.32, (255, 224, 150), 0.75)
    canvas.disc(*sun, height * 0.035, (255, 244, 214))
    far = canvas.tone((150, 104, 82))
    canvas.ridge(horizon - height * 0.03, height * 0.03, width * 0.4, far, glow)
    for x in rng.uniform(0, width, rng.integers(3, 8)):
        _acacia(canvas, x, horizon + 3, height * rng.uniform(0.1, 0.26))
    canvas.ground(horizon, canvas.tone((188, 136, 80)), canvas.tone((128, 94, 50)), 30)
    plants.grass(canvas, horizon, plants.DRY, height * rng.uniform(0.07, 0.16), 7000)
    canvas.glow(*sun, height * 0.6, (255, 190, 110), 0.22)
    lamp = make_lamp(rng, (1.0, 0.72, 0.44), (0.44, 0.38, 0.4), (0.3, 0.22, 0.14), 0.35, 0.3)
    return Setting(lamp, horizon / height)


def _acacia(canvas: Canvas, x: float, foot: float, size: float) -> None:
    rng, dark = canvas.rng, canvas.tone((70, 54, 42), 6)
    for lean in (-0.28, 0.05, 0.3):
        top = np.array([x + lean * size, foot - 0.78 * size])
        canvas.polygon(np.array([[x - 0.03 * size, foot], top, [x + 0.03 * size, foot]]), dark)
    count = 150
    place = rng.normal(0, 1, (count, 2)) * [0.34 * size, 0.045 * size]
    tint = dark * rng.uniform(0.7, 1.35, (count, 1)) + [6, 12, 0]
    y = foot - 0.8 * size + place[:, 1] + 0.05 * np.abs(place[:, 0])
    canvas.discs(x + place[:, 0], y, size * rng.uniform(0.02, 0.05, count), tint)
