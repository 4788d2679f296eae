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
_POLISH = wp.constant(wp.int32(5))
_SETTLED = wp.constant(wp.float64(1e-7))
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
def nearest_affine(level: real, slope: vec3, rest: real, place: vec3, half: vec3) -> vec4:
    """Place in the box where an affine function, less `rest`, is nearest, and the distance there squared."""
    start = into(place, half)
    sign = real(1.0)
    if level + wp.dot(slope, start) < real(0.0):
        sign = real(-1.0)
    g = slope * sign
    c = level * sign - rest
    low = real(0.0)
    high = wp.max(c + wp.dot(g, start), real(0.0))
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
    steep = real(1.0)
    for i in range(3):
        if at[i] == free[i]:
            steep += g[i] * g[i]
    multiplier = wp.clamp(middle + (c + wp.dot(g, at) - middle) / steep, low, high)
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
def in_box(best: real, t: vec8, middle: vec3, size: real, q: vec3, h: vec3) -> vec2:
    """The least of `best` and two places in a box, and a lower bound of the distance to the box."""
    g = gradient_at(t, middle) * size
    dose = value_at(t, middle)
    slope = over(g, h)
    rest = rest_of(t, middle, size)
    if not may_be_nearer(best, dose, g, slope, rest, q, h):
        return vec2(best, best)
    found = nearest_affine(dose, slope, rest, q, h)
    at = vec3(found[0], found[1], found[2])
    spot = middle + size * over(at, h)
    there = value_at(t, spot)
    before = wp.sqrt(wp.length_sq(at - q) + there * there)
    nearer = wp.min(best, before)
    if found[3] < nearer * nearer:
        largest = wp.abs(dose) + wp.abs(g[0]) + wp.abs(g[1]) + wp.abs(g[2]) + rest
        for _ in range(_POLISH):  # with the tangent there: towards the least distance in the box
            slope = over(gradient_at(t, spot) * size, h)
            again = nearest_affine(there - wp.dot(slope, at), slope, real(0.0), q, h)
            at = vec3(again[0], again[1], again[2])
            spot = middle + size * over(at, h)
            there = value_at(t, spot)
            value = wp.sqrt(wp.length_sq(at - q) + there * there)
            nearer = wp.min(nearer, value)
            if wp.abs(value - before) < _SETTLED:
                if is_convex(t, middle, size, h, largest):
                    return vec2(nearer, nearer)
                break
            before = value
    return vec2(nearer, wp.sqrt(found[3]))


@wp.func
def lowered(best: real, t: vec8, place: vec3, half: vec3, tolerance: real) -> real:
    """The least of `best` and the distance to a cell."""
    flat = wp.int64(0)
    for i in range(3):
        if half[i] <= real(0.0):
            flat += wp.int64(1 << i)
    code = wp.int64(0)
    cut = wp.int32(0)
    size = real(1.0)
    while True:
        middle = middle_of(code, cut, half)
        found = in_box(best, t, middle, size, place - wp.cw_mul(middle, half), half * size)
        best = found[0]
        margin = tolerance
        if best > real(1.0) and found[1] < real(1.0):
            margin = _AT_ONE
        if found[1] < best - margin and cut < _MOST_CUTS:
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
    return best


@wp.func
def terms_of(dose: wp.array(dtype=wp.float64), first: wp.int32, step: wp.vec3i, level: real, width: real) -> vec8:
    """Terms of a cell from its corners."""
    v = vec8()
    for n in range(8):
        at = first + step[0] * ((n >> 2) & 1) + step[1] * ((n >> 1) & 1) + step[2] * (n & 1)
        v[n] = (dose[at] - level) / width
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


@wp.func
def below(known: real, field: Field, cell: wp.vec3i, place: vec3, point: vec2) -> real:
    """The least of what is known and the distance to one cell, if there is such a cell."""
    starts = wp.vec3i(0, field.shape[0], field.shape[0] + field.shape[1])
    stride = wp.vec3i(field.shape[1] * field.shape[2], field.shape[2], 1)
    step = wp.vec3i(0, 0, 0)
    half = vec3(real(0.0), real(0.0), real(0.0))
    q = vec3(real(0.0), real(0.0), real(0.0))
    for i in range(3):
        if cell[i] < 0 or cell[i] >= wp.max(field.shape[i] - 1, 1):
            return known
        if field.shape[i] > 1:
            step[i] = stride[i]
        low = field.axes[starts[i] + cell[i]]
        high = field.axes[starts[i] + wp.min(cell[i] + 1, field.shape[i] - 1)]
        half[i] = real(0.5) * (high - low)
        q[i] = place[i] - real(0.5) * (high + low)
    if wp.length_sq(q - into(q, half)) < known * known:
        first = cell[0] * stride[0] + cell[1] * stride[1] + cell[2] * stride[2]
        terms = terms_of(field.dose, first, step, point[0], point[1])
        if terms[0] == terms[0]:  # no corner is NaN
            return lowered(known, terms, q, half, field.limits[1])
    return known


@wp.kernel
def search_kernel(
    field: Field,
    places: wp.array(dtype=wp.vec3d),
    points: wp.array(dtype=wp.vec2d),
    cells: wp.array(dtype=wp.vec3i),
    best: wp.array(dtype=wp.float64),
):
    """Lower `best` of each point by the cells around it, nearest first."""
    n = wp.tid()
    known = best[n]
    for o in range(field.offsets.shape[0]):
        if not (known > field.least[o] and known > field.limits[0]):
            break
        known = below(known, field, cells[n] + field.offsets[o], places[n], points[n])
    best[n] = known


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
        values = np.column_stack([points.dose, points.width])
        found = _array(best, np.float64, wp.float64)
        inputs = [self.field, _array(points.places, np.float64, wp.vec3d), _array(values, np.float64, wp.vec2d),
                  _array(cells, np.int32, wp.vec3i), found]  # fmt: skip
        wp.launch(search_kernel, dim=len(best), inputs=inputs, device="cpu")
        return found.numpy()


def _array(values: np.ndarray, kind: type, dtype: type) -> wp.array:
    return wp.array(np.ascontiguousarray(values, kind), dtype=dtype, device="cpu")
