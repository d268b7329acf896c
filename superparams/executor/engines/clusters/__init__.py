"""The engines of clusters: the cluster gives places, and our own pool of processes works there.

`cluster_engine` is what these engines share, `cluster` is what they need of a cluster, and each of
them is one file, such as `dask_agents`. In the driver, `agent_carrier` makes the workers of agents
the places of the scheduler, `agents` knows which agent has which worker, `cluster_machines` knows
the resources of nodes, and `remote_agent` talks with one agent. On a node, `node_agent` runs the
pool, `agent_reports` makes its reports, and `node_logs` keeps its logs. `agent_protocol` has the
messages between both sides, which wait in `agent_mail`.
"""
