"""What crosses walls: block formats, packed storage, matrices, engine parameters, the router's wire format."""
