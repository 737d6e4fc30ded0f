"""Cloud Storage: a store in a bucket, and instances that lie in one. Google's own client speaks to it, through
``client.py`` alone, which imports it when a bucket is first asked for something.
"""
