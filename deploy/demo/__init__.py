"""The whole path on real parts: stand-in platforms, our services, a stand-in factory, and a tally that must add up."""
