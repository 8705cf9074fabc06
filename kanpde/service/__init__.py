"""The commands behind HTTP: a queue, a process for every job, a page. Its own README says how the parts fit.

From the bottom up:

    folders      the folder of one job: what was asked, what happened, how it ended
    table        the index of jobs, in SQLite
    doors        what a child process can be asked for, by name
    children     processes from a fork server: jobs, questions, evaluators
    engines      where jobs run: here, on Slurm, on Ray
    supervisor   from the queue to processes, and back to how they ended
    limits       what a stranger may ask for
    requests     JSON from strangers → composed, limited configurations        in children only
    work         what children do: jobs and questions                          in children only
    evaluation   values, derivatives and residuals of a finished run           in children only
    guards       token, host, origin, headers: before anything is read
    bodies       what requests carry, and problem+json for those that cannot be met
    app          the paths
    pages        the HTML
    client       the service from a program
"""

from kanpde.service.client import Client

__all__ = ["Client"]
