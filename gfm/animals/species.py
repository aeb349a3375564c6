"""Parameters of a species: proportions, fur and colours."""

from dataclasses import dataclass, field

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Coat:
    """Colours (RGB, 0..255) of one variety of a species.

    Attributes:
        main: Back and flanks.
        belly: Underside, chest and chin.
        points: Ears and the lower legs.
        face: Muzzle and cheeks.
        pattern: "plain", "stripes", "spots", "patches", "grizzled" or "rings".
        mark: Colour of the pattern.
        iris: Colour of the eyes.
        nose: Colour of the bare nose.
        eye_patch: Colour around the eyes; ``None`` keeps the colour of the coat.
    """

    main: Colour
    belly: Colour
    points: Colour
    face: Colour
    pattern: str = "plain"
    mark: Colour = (40, 32, 28)
    iris: Colour = (70, 42, 18)
    nose: Colour = (32, 28, 28)
    eye_patch: Colour | None = None


@dataclass(frozen=True)
class Species:
    """Proportions of a species; lengths are relative to the height of its back.

    Attributes:
        build: "quadruped" or "bird".
        leg: Height of the legs.
        leg_radius: Radius of the lower leg.
        body: Distance from shoulder to hip.
        chest: Radius of the chest.
        hip: Radius of the rump.
        neck: Length of the neck.
        rise: Angle of the neck above the horizontal, degrees.
        head: Radius of the skull.
        muzzle: Length of the muzzle in skull radii.
        muzzle_radius: Radius of the muzzle in skull radii.
        ears: "pointed", "round", "floppy", "long" or "side".
        ear: Length of an ear in skull radii.
        tail: Length of the tail.
        tail_radius: Radius of the tail without fur.
        eye: Radius of an eye in skull radii.
        pupil: "round", "slit" or "bar".
        eye_spread: Angle of each eye from straight ahead, degrees.
        fur: Hair length on the body.
        fur_part: Hair length of other parts, relative to ``fur``.
        lift: How far hairs stand up from the skin, 0 (flat) to 1 (upright).
        curl: Strength of curls, 0..1.
        lumps: Strength of the lumps of wool.
        whiskers: Length of the whiskers in skull radii.
        mane: Whether long hair in the pattern's colour frames the head.
        poses: Poses to choose from: "stand", "sit", "lie".
        coats: Coats of its varieties.
    """

    build: str
    coats: tuple[Coat, ...]
    leg: float = 0.55
    leg_radius: float = 0.05
    body: float = 0.95
    chest: float = 0.26
    hip: float = 0.23
    neck: float = 0.3
    rise: float = 45
    head: float = 0.2
    muzzle: float = 0.8
    muzzle_radius: float = 0.45
    ears: str = "pointed"
    ear: float = 0.9
    tail: float = 0.7
    tail_radius: float = 0.04
    eye: float = 0.16
    pupil: str = "round"
    eye_spread: float = 38
    fur: float = 0.09
    fur_part: dict[str, float] = field(default_factory=dict)
    lift: float = 0.3
    curl: float = 0.0
    lumps: float = 0.0
    whiskers: float = 1.0
    mane: bool = False
    poses: tuple[str, ...] = ("stand", "sit", "lie")
