"""What runs as a function in the cloud: the header of an object that arrived, and the search for lost events."""
