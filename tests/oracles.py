"""Solutions of shipped problems by other means than kanpde's: written out by hand, equation by equation."""

import numpy as np
from scipy import sparse
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.sparse.linalg import eigs, spsolve
from scipy.special import erf


def cole_hopf(points, nu):  # [n, 2] -> [n]
    """Burgers' equation with u = -sin(pi x) at the start: a quotient of integrals against the heat kernel.

    Source: Cole, Quarterly of Applied Mathematics 9 (1951); the trapezoidal rule is exact to rounding here.
    """
    parts = np.array_split(np.asarray(points), max(1, len(points) // 400))
    return np.concatenate([_cole_hopf(part, nu) for part in parts])


def _cole_hopf(points, nu):
    z, (x, t) = np.linspace(-16, 16, 3201), points.T[:, :, None]
    y = x - np.sqrt(4 * np.asarray(nu).reshape(-1, 1) * t) * z
    exponent = -(z**2) - np.cos(np.pi * y) / (2 * np.pi * np.asarray(nu).reshape(-1, 1))
    weights = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return -(np.sin(np.pi * y) * weights).sum(1) / weights.sum(1)


def etdrk4(symbol, nonlinear, u, time, steps):  # [N] values at the start -> [N] at `time`
    """u_t = L u + N(u) in Fourier space, L diagonal, by exponential Runge-Kutta steps of order four.

    Source: Kassam and Trefethen, SIAM Journal on Scientific Computing 26 (2005).
    """
    h = time / steps
    roots = np.exp(2j * np.pi * (np.arange(64) + 0.5) / 64)
    z = h * symbol[:, None] + roots
    e, half = np.exp(h * symbol), np.exp(h * symbol / 2)
    q = h * ((np.exp(z / 2) - 1) / z).mean(1)
    f1 = h * ((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3).mean(1)
    f2 = h * ((2 + z + np.exp(z) * (z - 2)) / z**3).mean(1)
    f3 = h * ((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3).mean(1)
    v = np.fft.fft(u)
    for _ in range(steps):
        n = nonlinear(v)
        a = half * v + q * n
        na = nonlinear(a)
        nb = nonlinear(half * v + q * na)
        nc = nonlinear(half * a + q * (2 * nb - n))
        v = e * v + f1 * n + 2 * f2 * (na + nb) + f3 * nc
    return np.fft.ifft(v).real


def wave_numbers(count, length):
    return 2 * np.pi / length * np.fft.fftfreq(count, 1 / count)


def kdv(count, steps, time=1.0, delta=0.022):
    x, k = -1 + 2 * np.arange(count) / count, wave_numbers(count, 2.0)
    k = np.where(np.arange(count) == count // 2, 0, k)
    return x, etdrk4(
        1j * delta**2 * k**3, lambda v: -0.5j * k * np.fft.fft(np.fft.ifft(v).real ** 2), np.cos(np.pi * x), time, steps
    )


def allen_cahn(count, steps, time=1.0, d=1e-4):
    x, k = -1 + 2 * np.arange(count) / count, wave_numbers(count, 2.0)

    def reaction(v):
        u = np.fft.ifft(v).real
        return np.fft.fft(5 * u - 5 * u**3)

    return x, etdrk4(-d * k**2, reaction, x**2 * np.cos(np.pi * x), time, steps)


def kuramoto_sivashinsky(count, steps, time=0.5):
    x, k = 2 * np.pi * np.arange(count) / count, wave_numbers(count, 2 * np.pi)
    alpha, beta, gamma = 100 / 16, 100 / 16**2, 100 / 16**4
    odd = np.where(np.arange(count) == count // 2, 0, k)
    return x, etdrk4(
        beta * k**2 - gamma * k**4, lambda v: -0.5j * alpha * odd * np.fft.fft(np.fft.ifft(v).real ** 2),
        np.cos(x) * (1 + np.sin(x)), time, steps,
    )  # fmt: skip


def fitzhugh_nagumo(count, time=10.0):
    """Reflected at both ends, so that Fourier's transform takes it; SciPy's explicit method of order eight."""
    x, k = -20 + 40 * np.arange(count) / count, wave_numbers(count, 40.0)

    def rates(_, y):
        u, v = y.reshape(2, -1)
        u_xx = np.fft.ifft(-(k**2) * np.fft.fft(u)).real
        return np.concatenate([u_xx + u * (1 - u) * (u - 0.1) - v, 0.05 * (u - 0.5 * v)])

    start = np.concatenate([np.exp(-(x**2) / 8), np.zeros(count)])
    found = solve_ivp(rates, (0, time), start, method="DOP853", rtol=1e-12, atol=1e-13)
    return x, found.y[:, -1].reshape(2, -1)


def cavity(count, re=100.0):
    """Points and stream function of the lid-driven cavity, lid 4x(1-x): differences of order two, extrapolated.

    Stream function and vorticity on count + 1 nodes a side, Thom's formula at walls, Newton's method; then (4 fine -
    coarse)/3 of twice as many nodes and of these.
    """
    coarse, fine = _cavity(count, re), _cavity(2 * count, re)
    x = np.linspace(0, 1, count + 1)[1:-1]
    return np.stack([part.ravel() for part in np.meshgrid(x, x, indexing="ij")], axis=1), (
        (4 * fine[1::2, 1::2] - coarse) / 3
    ).ravel()


def _cavity(count, re):
    h, x = 1 / count, np.linspace(0, 1, count + 1)
    inner, one = sparse.eye_array(count + 1, format="csr")[1:-1], sparse.eye_array(count + 1, format="csr")
    first = sparse.diags_array([-1.0, 1.0], offsets=[-1, 1], shape=one.shape) / (2 * h)
    second = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=one.shape) / h**2
    cut = sparse.csr_array(sparse.kron(inner, inner))  # all nodes -> inner ones
    dx, dy = cut @ sparse.kron(first, one), cut @ sparse.kron(one, first)
    lap = cut @ (sparse.kron(second, one) + sparse.kron(one, second))
    wall = np.zeros((count + 1, count + 1), dtype=bool)
    wall[[0, -1], 1:-1] = wall[1:-1, [0, -1]] = True
    beside = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=one.shape)
    beside = sparse.kron(beside, one) + sparse.kron(one, beside)
    thom = -2 / h**2 * sparse.diags_array(wall.ravel().astype(float)) @ beside @ cut.T
    lid = np.zeros_like(wall, dtype=float)
    lid[:, -1] = -2 / h * 4 * x * (1 - x)
    size, psi, omega = (count - 1) ** 2, np.zeros((count - 1) ** 2), np.zeros((count - 1) ** 2)
    easier = [each for each in (100.0, 200.0, 400.0, 700.0) if each < re for _ in range(3)]
    for number in (*easier, *[re] * 12):
        whole = cut.T @ omega + thom @ psi + lid.ravel()
        u, v, wx, wy = dy @ (cut.T @ psi), dx @ (cut.T @ psi), dx @ whole, dy @ whole
        along = sparse.diags_array(u) @ dx - sparse.diags_array(v) @ dy - lap / number
        across = sparse.diags_array(wx) @ dy @ cut.T - sparse.diags_array(wy) @ dx @ cut.T
        residual = np.concatenate([lap @ (cut.T @ psi) + omega, u * wx - v * wy - lap @ whole / number])
        matrix = sparse.block_array([[lap @ cut.T, sparse.eye_array(size)], [across + along @ thom, along @ cut.T]])
        step = spsolve(sparse.csc_array(matrix), -residual)
        psi, omega = psi + step[:size], omega + step[size:]
        if number == re and np.abs(step).max() < 1e-9:
            return psi.reshape(count - 1, count - 1)
    raise AssertionError("Newton's method did not converge")


# Random and quasi-periodic potentials: (-½ d²/dx² + V) u = 1, and = E u


def cells(*counts):
    """The cells' values of the shipped problems."""
    return np.random.default_rng(0).uniform(0, 4, counts)


def landscape_of_cells(values, x):
    """u on unit cells: 1/V and two exponentials, joined with their slopes."""
    right = np.zeros(2 * len(values))
    right[0], right[-1], right[1:-1:2] = -1 / values[0], -1 / values[-1], -np.diff(1 / values)
    coefficients = np.linalg.solve(_joints(values), right)
    return 1 / values[_cell(values, x)] + _joined(values, coefficients, x)


def states_of_cells(values, x, count):
    """Lowest energies, by shooting through the cells, and states of these energies with their largest value at one."""
    grid = np.linspace(1e-3, 2.0, 2000)
    ends = np.array([_shot(values, energy) for energy in grid])
    places = np.flatnonzero(ends[1:] * ends[:-1] < 0)[:count]
    energies = [brentq(lambda energy: _shot(values, energy), *grid[i : i + 2], xtol=1e-14) for i in places]
    states = [_joined(values - e, np.linalg.svd(_joints(values - e))[2][-1], x) for e in energies]
    return np.array(energies), np.stack([state / state[np.argmax(np.abs(state))] for state in states], axis=1)


def _pair(height, s):  # -> values and slopes of two solutions of ψ'' = 2 height ψ at s in [0, 1]
    k = np.sqrt(2 * abs(height))
    if height > 0:
        left, right = np.exp(-k * s), np.exp(k * (s - 1))
        return np.array([[left, right], [-k * left, k * right]])
    return np.array([[np.cos(k * s), np.sin(k * s)], [-k * np.sin(k * s), k * np.cos(k * s)]])


def _joints(heights):
    """Zero at both ends, values and slopes equal at walls; two coefficients a cell."""
    matrix, count = np.zeros((2 * len(heights), 2 * len(heights))), len(heights)
    matrix[0, :2], matrix[-1, -2:] = _pair(heights[0], 0.0)[0], _pair(heights[-1], 1.0)[0]
    for j in range(count - 1):
        matrix[2 * j + 1 : 2 * j + 3, 2 * j : 2 * j + 2] = -_pair(heights[j], 1.0)
        matrix[2 * j + 1 : 2 * j + 3, 2 * j + 2 : 2 * j + 4] = _pair(heights[j + 1], 0.0)
    return matrix


def _joined(heights, coefficients, x):
    cell = _cell(heights, x)
    pairs = [_pair(heights[j], place - j)[0] for j, place in zip(cell, x, strict=True)]
    return (np.array(pairs) * coefficients.reshape(-1, 2)[cell]).sum(1)


def _cell(values, x):
    return np.clip(x.astype(int), 0, len(values) - 1)


def _shot(values, energy):
    """ψ at the far end from (0, 1), scaled on the way."""
    end = np.array([0.0, 1.0])
    for height in values - energy:
        there, here = _pair(height, 1.0), _pair(height, 0.0)
        end = there @ np.linalg.solve(here, end)
        end = end / np.linalg.norm(end)
    return end[0]


def smoothed_cells(values, x, width):
    steps = [(1 + erf((x - wall) / width)) / 2 for wall in range(1, len(values))]
    return values[0] + sum(jump * step for jump, step in zip(np.diff(values), steps, strict=True))


def numerov(potential, length, count):
    """Inner nodes, and sparse A, B with A u = B (…): order four. -½ u'' = f is -½ δ²u/h² = (1 + δ²/12) f."""
    h, x = length / count, np.linspace(0, length, count + 1)[1:-1]
    second = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(count - 1, count - 1), format="csc")
    mean = sparse.eye_array(count - 1, format="csc") + second / 12
    return x, sparse.csc_array(-second / (2 * h**2) + mean @ sparse.diags_array(potential(x))), mean


def landscape_by_numerov(potential, length, count):
    """Nodes and u there; 1 at the ends counts in the mean, where u vanishes."""
    x, operator, _ = numerov(potential, length, count)
    return x, spsolve(operator, np.ones(count - 1))


def energies_by_numerov(potential, length, count, states):
    """Lowest energies, extrapolated from two steps: (16 fine - coarse)/15."""
    coarse, fine = (_lowest(*numerov(potential, length, n)[1:], states) for n in (count, 2 * count))
    return (16 * fine - coarse) / 15


def _lowest(operator, mean, states):
    return np.sort(eigs(operator, states, sparse.csc_array(mean), sigma=0.0, return_eigenvectors=False).real)


def landscape_2d(values, nodes):
    """Corners of unit cells' grid, `nodes` steps a cell, and u there: differences of order two, extrapolated."""
    coarse, fine = _landscape_2d(values, nodes), _landscape_2d(values, 2 * nodes)[1::2, 1::2]
    x = np.linspace(0, len(values), len(values) * nodes + 1)[1:-1]
    return np.stack([part.ravel() for part in np.meshgrid(x, x, indexing="ij")], 1), ((4 * fine - coarse) / 3).ravel()


def _landscape_2d(values, nodes):
    """Five-point differences; on walls V is the mean of the cells beside."""
    steps, h = len(values) * nodes, 1 / nodes
    fine = np.kron(values, np.ones((nodes, nodes)))
    potential = (fine[1:, 1:] + fine[:-1, 1:] + fine[1:, :-1] + fine[:-1, :-1]) / 4
    second = sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(steps - 1, steps - 1)) / (2 * h**2)
    one = sparse.eye_array(steps - 1)
    operator = sparse.kron(second, one) + sparse.kron(one, second) + sparse.diags_array(potential.ravel())
    return spsolve(sparse.csc_array(operator), np.ones((steps - 1) ** 2)).reshape(steps - 1, steps - 1)


# Wires in a tube


def wires_in_a_tube(points):
    """laplace_holes, by least squares on one side and one wire; the others follow by symmetry."""
    s, angle = np.cos(np.pi * (np.arange(120) + 0.5) / 120) / 2, 2 * np.pi * np.arange(200) / 200
    z = np.concatenate([s + 0.5j, (s + 0.5j) * 1j, 0.3 + 0.3j + 0.1 * np.exp(1j * angle)])
    right = np.concatenate([np.zeros(240), -np.ones(200)])
    matrix = _multipoles(z)
    scale = np.abs(matrix).max(0)
    c = np.linalg.lstsq(matrix / scale, right, rcond=1e-15)[0] / scale
    assert np.abs(matrix @ c - right).max() < 1e-8
    return 1 + _multipoles(points[:, 0] + 1j * points[:, 1]) @ c


def _multipoles(z, order=12):
    """Functions odd about each side of the square: multipoles of the four wires and of their mirror images."""
    centers = [(complex(i + (-1) ** i * a, j + (-1) ** j * b), (-1) ** (i + j), (-1) ** i * a, (-1) ** j * b)
               for i in range(-2, 3) for j in range(-2, 3) for a in (-0.3, 0.3) for b in (-0.3, 0.3)]  # fmt: skip
    columns = [(((z / 0.7071) ** (4 * m)).real) for m in range(20)]
    turned = [(np.sign(a) * (z - c).real + 1j * np.sign(b) * (z - c).imag, sign) for c, sign, a, b in centers]
    columns.append(sum(sign * np.log(np.abs(w) / 0.1) for w, sign in turned))
    for m in range(1, order + 1):
        power = sum(sign * (0.1 / w) ** m for w, sign in turned)
        columns += [power.real, sum(sign * ((0.1 / w) ** m).imag for w, sign in turned)]
    return np.stack(columns, axis=1)
