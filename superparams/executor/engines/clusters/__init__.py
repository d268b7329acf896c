"""The engines of clusters: the cluster gives places, and our own pool of processes works there.

`cluster_engine` is what these engines share, `cluster` is what they need of a cluster, and each of
them is one file, such as `dask_agents`. On the side of the driver, `agent_carrier` makes workers of
agents the places of the scheduler, `agents` knows which agent has which of them, and
`cluster_machines` what their nodes have. `remote_agent` talks with one of them. On a node,
`node_agent` runs the pool, with its reports in `agent_reports` and its logs in `node_logs`.
`agent_protocol` has the messages between both sides, and `agent_mail` is where they wait.
"""
