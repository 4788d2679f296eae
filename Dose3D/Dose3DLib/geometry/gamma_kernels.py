"""The search of `gamma_search` and `gamma_boxes` compiled by NVIDIA Warp: the same bounds and cuts.

One thread a point. The boxes of a cell are visited in depth first order by their number in an octree, so nothing is
stored: a box's terms follow from those of the cell. Only functions import this file, since Warp loads at its top.
"""

# No postponed annotations here: Warp reads them.
import numpy as np
import warp as wp

__all__ = ["CompiledSearch"]

wp.set_module_options({"enable_backward": False})

real = wp.float64
vec2 = wp.vec2d
vec3 = wp.vec3d
vec4 = wp.vec4d
vec8 = wp.types.vector(length=8, dtype=wp.float64)

_MOST_CUTS = wp.constant(wp.int32(20))
_NEWTON = wp.constant(wp.int32(3))
_EXACT = wp.constant(wp.float64(1e-9))
_POLISH = wp.constant(wp.int32(5))
_SETTLED = wp.constant(wp.float64(1e-5))
_LOWER_FACE = wp.constant(wp.float64(-1 + 1e-9))
_AT_ONE = wp.constant(wp.float64(1e-6))


@wp.func
def value_at(t: vec8, at: vec3) -> real:
    """The trilinear function at a place in -1..1; terms as in `Boxes`."""
    x, y, z = at[0], at[1], at[2]
    return t[0] + t[1] * z + y * (t[2] + t[3] * z) + x * (t[4] + t[5] * z + y * (t[6] + t[7] * z))


@wp.func
def gradient_at(t: vec8, at: vec3) -> vec3:
    x, y, z = at[0], at[1], at[2]
    return vec3(
        t[4] + t[5] * z + t[6] * y + t[7] * y * z,
        t[2] + t[3] * z + t[6] * x + t[7] * x * z,
        t[1] + t[3] * y + t[5] * x + t[7] * x * y,
    )


@wp.func
def over(a: vec3, half: vec3) -> vec3:
    """Parts of half lengths; 0 along an axis without length."""
    result = vec3(real(0.0), real(0.0), real(0.0))
    for i in range(3):
        if half[i] > real(0.0):
            result[i] = a[i] / half[i]
    return result


@wp.func
def into(a: vec3, half: vec3) -> vec3:
    return vec3(wp.clamp(a[0], -half[0], half[0]), wp.clamp(a[1], -half[1], half[1]), wp.clamp(a[2], -half[2], half[2]))


@wp.func
def multiplier_by_clips(c: real, g: vec3, place: vec3, half: vec3, high: real) -> real:
    """The multiplier between 0 and `high`, from the ones at which a clip begins or ends: always found."""
    low = real(0.0)
    for i in range(3):
        if g[i] != real(0.0):
            for side in range(2):
                clip = (place[i] + real(2 * side - 1) * half[i]) / g[i]
                if clip > low and clip < high:
                    if c + wp.dot(g, into(place - clip * g, half)) > clip:
                        low = clip
                    else:
                        high = clip
    middle = real(0.5) * (low + high)
    free = place - middle * g
    at = into(free, half)
    return wp.clamp(middle + (c + wp.dot(g, at) - middle) / steepness(at, free, g), low, high)


@wp.func
def steepness(at: vec3, free: vec3, g: vec3) -> real:
    """How fast the error of the multiplier falls: axes that are clipped do not move."""
    steep = real(1.0)
    for i in range(3):
        if at[i] == free[i]:
            steep += g[i] * g[i]
    return steep


@wp.func
def nearest_affine(level: real, slope: vec3, rest: real, place: vec3, half: vec3, guess: real) -> vec4:
    """Place in the box where an affine function, less `rest`, is nearest, and the distance there squared."""
    start = into(place, half)
    sign = real(1.0)
    if level + wp.dot(slope, start) < real(0.0):
        sign = real(-1.0)
    g = slope * sign
    c = level * sign - rest
    high = wp.max(c + wp.dot(g, start), real(0.0))
    multiplier = wp.min(guess, high)
    is_found = bool(False)  # noqa: UP018 - a variable of Warp, not a constant
    for _ in range(_NEWTON):
        free = place - multiplier * g
        at = into(free, half)
        error = c + wp.dot(g, at) - multiplier
        if wp.abs(error) <= _EXACT * (real(1.0) + multiplier):
            is_found = True
            break
        multiplier = wp.clamp(multiplier + error / steepness(at, free, g), real(0.0), high)
    if not is_found:
        multiplier = multiplier_by_clips(c, g, place, half, high)
    at = into(place - multiplier * g, half)
    reached = c + wp.dot(g, at)
    bound = wp.length_sq(at - place) + multiplier * (real(2.0) * reached - multiplier)
    return vec4(at[0], at[1], at[2], wp.max(bound, real(0.0)))


@wp.func
def middle_of(code: wp.int64, cut: wp.int32, half: vec3) -> vec3:
    """Middle, in -1..1 of the cell, of the box with this number after so many cuts; three bits a cut."""
    middle = vec3(real(0.0), real(0.0), real(0.0))
    size = real(1.0)
    for level in range(cut):
        size *= real(0.5)
        bits = code >> wp.int64(3 * (cut - 1 - level))
        for i in range(3):
            if half[i] > real(0.0):
                middle[i] += size * real(wp.int64(2) * ((bits >> wp.int64(i)) & wp.int64(1)) - wp.int64(1))
    return middle


@wp.func
def rest_of(t: vec8, middle: vec3, size: real) -> real:
    """Bound of what is not affine in a box of the cell."""
    twists = wp.abs(t[3] + t[7] * middle[0]) + wp.abs(t[5] + t[7] * middle[1]) + wp.abs(t[6] + t[7] * middle[2])
    return size * size * (twists + size * wp.abs(t[7]))


@wp.func
def may_be_nearer(best: real, dose: real, g: vec3, slope: vec3, rest: real, q: vec3, h: vec3) -> bool:
    """Quick bounds: from the box and the range of its doses, and from the affine part without the box."""
    level = wp.max(wp.abs(dose) - wp.abs(g[0]) - wp.abs(g[1]) - wp.abs(g[2]) - rest, real(0.0))
    plane = wp.max(wp.abs(dose + wp.dot(slope, q)) - rest, real(0.0))
    near = wp.length_sq(q - into(q, h)) + level * level < best * best
    return near and plane * plane < best * best * (real(1.0) + wp.length_sq(slope))


@wp.func
def is_convex(t: vec8, middle: vec3, size: real, h: vec3, largest: real) -> bool:
    """Whether distance squared has one minimum in a box: its second derivatives are 1 + gg' + dose times the twists."""
    s = size * size
    xy, xz, yz = real(0.0), real(0.0), real(0.0)
    if h[0] > real(0.0) and h[1] > real(0.0):
        xy = s * (wp.abs(t[6] + t[7] * middle[2]) + size * wp.abs(t[7])) / (h[0] * h[1])
    if h[0] > real(0.0) and h[2] > real(0.0):
        xz = s * (wp.abs(t[5] + t[7] * middle[1]) + size * wp.abs(t[7])) / (h[0] * h[2])
    if h[1] > real(0.0) and h[2] > real(0.0):
        yz = s * (wp.abs(t[3] + t[7] * middle[0]) + size * wp.abs(t[7])) / (h[1] * h[2])
    return largest * wp.max(wp.max(xy + xz, xy + yz), xz + yz) < real(1.0)


@wp.func
def dual(multiplier: real, level: real, slope: vec3, rest: real, place: vec3, half: vec3) -> real:
    """A lower bound of the squared distance to an affine function, less `rest`, in a box, by any multiplier."""
    sign = real(1.0)
    if level + wp.dot(slope, into(place, half)) < real(0.0):
        sign = real(-1.0)
    at = into(place - multiplier * sign * slope, half)
    reached = sign * (level + wp.dot(slope, at)) - rest
    return wp.length_sq(at - place) + multiplier * (real(2.0) * reached - multiplier)


@wp.func
def in_box(known: vec2, t: vec8, middle: vec3, size: real, q: vec3, h: vec3) -> vec3:
    """The least known distance and its multiplier, lowered by places in a box; a lower bound of the distance to it."""
    best = known[0]
    multiplier = known[1]
    g = gradient_at(t, middle) * size
    dose = value_at(t, middle)
    slope = over(g, h)
    rest = rest_of(t, middle, size)
    if not may_be_nearer(best, dose, g, slope, rest, q, h):
        return vec3(best, multiplier, best)
    # What was the multiplier of the nearest place so far is a good guess for its neighbours.
    if dual(multiplier, dose, slope, rest, q, h) >= best * best:
        return vec3(best, multiplier, best)
    found = nearest_affine(dose, slope, rest, q, h, multiplier)
    if found[3] >= best * best:
        return vec3(best, multiplier, best)
    at = vec3(found[0], found[1], found[2])
    before = real(1e300)
    largest = wp.abs(dose) + wp.abs(g[0]) + wp.abs(g[1]) + wp.abs(g[2]) + rest
    for _ in range(_POLISH):  # with the tangent at each place: towards the least distance in the box
        spot = middle + size * over(at, h)
        there = value_at(t, spot)
        value = wp.sqrt(wp.length_sq(at - q) + there * there)
        if value < best:
            best = value
            multiplier = wp.abs(there)
        if wp.abs(value - before) < _SETTLED:
            if is_convex(t, middle, size, h, largest):
                return vec3(best, multiplier, best)
            break
        before = value
        slope = over(gradient_at(t, spot) * size, h)
        again = nearest_affine(there - wp.dot(slope, at), slope, real(0.0), q, h, wp.abs(there))
        at = vec3(again[0], again[1], again[2])
    return vec3(best, multiplier, wp.sqrt(found[3]))


@wp.func
def lowered(known: vec2, t: vec8, place: vec3, half: vec3, tolerance: real) -> vec2:
    """The least known distance and its multiplier, lowered by those to a cell."""
    flat = wp.int64(0)
    for i in range(3):
        if half[i] <= real(0.0):
            flat += wp.int64(1 << i)
    code = wp.int64(0)
    cut = wp.int32(0)
    size = real(1.0)
    while True:
        middle = middle_of(code, cut, half)
        found = in_box(known, t, middle, size, place - wp.cw_mul(middle, half), half * size)
        known = vec2(found[0], found[1])
        margin = tolerance
        if found[0] > real(1.0) and found[2] < real(1.0):
            margin = _AT_ONE
        if found[2] < found[0] - margin and cut < _MOST_CUTS:
            code = code * wp.int64(8)
            cut += wp.int32(1)
            size *= real(0.5)
            continue
        while True:  # to the following box; along an axis without length there is one part only
            code += wp.int64(1)
            while cut > wp.int32(0) and (code & wp.int64(7)) == wp.int64(0):
                code = code >> wp.int64(3)
                cut -= wp.int32(1)
                size *= real(2.0)
            if cut == wp.int32(0) or (code & flat) == wp.int64(0):
                break
        if cut == wp.int32(0):
            break
    return known


@wp.func
def corners_of(dose: wp.array(dtype=wp.float64), first: wp.int32, step: wp.vec3i) -> vec8:
    """Doses at the corners of a cell."""
    v = vec8()
    for n in range(8):
        v[n] = dose[first + step[0] * ((n >> 2) & 1) + step[1] * ((n >> 1) & 1) + step[2] * (n & 1)]
    return v


@wp.func
def terms_of(corners: vec8, level: real, scale: real) -> vec8:
    """Terms of a cell from its corners."""
    v = vec8()
    for n in range(8):
        v[n] = (corners[n] - level) * scale
    for bit in range(3):
        for n in range(8):
            if ((n >> bit) & 1) == 0:
                low = v[n]
                high = v[n + (1 << bit)]
                v[n] = real(0.5) * (low + high)
                v[n + (1 << bit)] = real(0.5) * (high - low)
    return v


@wp.struct
class Field:
    """The evaluated dose (flat), its three axes one after the other, and the steps to cells with their least distance.

    `limits` are the gamma at which a point is done, and the tolerance.
    """

    dose: wp.array(dtype=wp.float64)
    axes: wp.array(dtype=wp.float64)
    shape: wp.vec3i
    offsets: wp.array(dtype=wp.vec3i)
    least: wp.array(dtype=wp.float64)
    limits: wp.vec2d


@wp.struct
class Box:
    """A cell of the field: its first corner, half its lengths, the point from its middle; `first` < 0: no such cell."""

    first: wp.int32
    half: wp.vec3d
    place: wp.vec3d


@wp.func
def box_of(field: Field, cell: wp.vec3i, place: vec3) -> Box:
    box = Box()
    box.first = -1
    starts = wp.vec3i(0, field.shape[0], field.shape[0] + field.shape[1])
    for i in range(3):
        if cell[i] < 0 or cell[i] >= wp.max(field.shape[i] - 1, 1):
            return box
    for i in range(3):
        low = field.axes[starts[i] + cell[i]]
        high = field.axes[starts[i] + wp.min(cell[i] + 1, field.shape[i] - 1)]
        box.half[i] = real(0.5) * (high - low)
        box.place[i] = place[i] - real(0.5) * (high + low)
    box.first = (cell[0] * field.shape[1] + cell[1]) * field.shape[2] + cell[2]
    return box


@wp.func
def steps_of(field: Field) -> wp.vec3i:
    """From a cell's first corner to the next one along each axis; 0 along an axis of one point."""
    step = wp.vec3i(field.shape[1] * field.shape[2], field.shape[2], 1)
    for i in range(3):
        if field.shape[i] == 1:
            step[i] = 0
    return step


@wp.func
def below(known: vec2, field: Field, box: Box, step: wp.vec3i, point: vec2) -> vec2:
    """The least known distance and its multiplier, lowered by those to one cell, if there is such a cell."""
    if box.first < 0:
        return known
    limit = known[0] * known[0] - wp.length_sq(box.place - into(box.place, box.half))
    if limit <= real(0.0):
        return known
    corners = corners_of(field.dose, box.first, step)
    low = wp.min(corners) - point[0]
    high = wp.max(corners) - point[0]
    level = wp.max(wp.max(low, -high), real(0.0)) * point[1]
    if level * level >= limit:
        return known
    terms = terms_of(corners, point[0], point[1])
    if terms[0] == terms[0]:  # no corner is NaN
        return lowered(known, terms, box.place, box.half, field.limits[1])
    return known


@wp.func
def towards(field: Field, cell: wp.vec3i, place: vec3, step: wp.vec3i, point: vec2) -> wp.vec3i:
    """Of the cells that touch a grid point, the one that the dose of the point is looked for in, by the gradient."""
    box = box_of(field, cell, place)
    better = wp.vec3i(cell[0], cell[1], cell[2])
    if box.first < 0:
        return better
    terms = terms_of(corners_of(field.dose, box.first, step), point[0], point[1])
    at = over(box.place, box.half)
    way = gradient_at(terms, at) * -value_at(terms, at)
    for i in range(3):
        if at[i] <= _LOWER_FACE and way[i] < real(0.0) and cell[i] > 0:
            better[i] = cell[i] - 1
    return better


@wp.kernel
def search_kernel(
    field: Field,
    places: wp.array(dtype=wp.vec3d),
    points: wp.array(dtype=wp.vec2d),
    cells: wp.array(dtype=wp.vec3i),
    best: wp.array(dtype=wp.float64),
):
    """Lower `best` of each point by the cells around it: first the likeliest, then all, nearest first."""
    n = wp.tid()
    if not best[n] > field.limits[0]:
        return
    place = places[n]
    point = points[n]
    step = steps_of(field)
    likely = towards(field, cells[n], place, step, point)
    known = below(vec2(best[n], best[n]), field, box_of(field, likely, place), step, point)
    for o in range(field.offsets.shape[0]):
        if known[0] <= field.least[o] or known[0] <= field.limits[0]:
            break
        cell = cells[n] + field.offsets[o]
        if cell[0] != likely[0] or cell[1] != likely[1] or cell[2] != likely[2]:
            known = below(known, field, box_of(field, cell, place), step, point)
    best[n] = known[0]


class CompiledSearch:
    """The dose of a lattice, searched by pieces on the CPU."""

    def __init__(self, lattice, offsets: list[tuple[float, list[tuple[int, ...]]]], limits: tuple[float, float]):
        steps = [(distance, offset) for distance, group in offsets for offset in group]
        self.field = Field()
        self.field.dose = _array(lattice.dose.reshape(-1), np.float64, wp.float64)
        self.field.axes = _array(np.concatenate(lattice.axes), np.float64, wp.float64)
        self.field.shape = wp.vec3i(*lattice.dose.shape)
        self.field.offsets = _array(np.array([offset for _, offset in steps]), np.int32, wp.vec3i)
        self.field.least = _array(np.array([distance for distance, _ in steps]), np.float64, wp.float64)
        self.field.limits = wp.vec2d(*limits)

    def search(self, points, cells: np.ndarray, best: np.ndarray) -> np.ndarray:
        """`best` (n,) lowered by the cells around each point; `cells` (n, 3) hold them."""
        values = np.column_stack([points.dose, 1 / points.width])
        found = _array(best, np.float64, wp.float64)
        inputs = [self.field, _array(points.places, np.float64, wp.vec3d), _array(values, np.float64, wp.vec2d),
                  _array(cells, np.int32, wp.vec3i), found]  # fmt: skip
        wp.launch(search_kernel, dim=len(best), inputs=inputs, device="cpu")
        return found.numpy()


def _array(values: np.ndarray, kind: type, dtype: type) -> wp.array:
    return wp.array(np.ascontiguousarray(values, kind), dtype=dtype, device="cpu")
