"""The sandbox: stand-in platforms that behave as the platforms document it.

Every platform is one sub-package that exposes `SANDBOX`, a class as `standin.StandIn` describes it; it is
discovered, not registered. Nothing here imports the services or their schemas: the rules of each platform are
written a second time, from its documentation, so that a misreading on one side shows up.
"""
