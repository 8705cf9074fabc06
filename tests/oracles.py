"""Solutions of evolution problems by other means than kanpde's: written out by hand, equation by equation."""

import numpy as np
from scipy import sparse
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import spsolve


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
    for _ in range(12):
        whole = cut.T @ omega + thom @ psi + lid.ravel()
        u, v, wx, wy = dy @ (cut.T @ psi), dx @ (cut.T @ psi), dx @ whole, dy @ whole
        along = sparse.diags_array(u) @ dx - sparse.diags_array(v) @ dy - lap / re
        across = sparse.diags_array(wx) @ dy @ cut.T - sparse.diags_array(wy) @ dx @ cut.T
        residual = np.concatenate([lap @ (cut.T @ psi) + omega, u * wx - v * wy - lap @ whole / re])
        matrix = sparse.block_array([[lap @ cut.T, sparse.eye_array(size)], [across + along @ thom, along @ cut.T]])
        step = spsolve(sparse.csc_array(matrix), -residual)
        psi, omega = psi + step[:size], omega + step[size:]
        if np.abs(step).max() < 1e-9:
            return psi.reshape(count - 1, count - 1)
    raise AssertionError("Newton's method did not converge")
