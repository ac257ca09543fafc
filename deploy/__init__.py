"""What runs Sync Order outside its own code: the local machine, the stand-ins, images and manifests."""
