#!lua
-- Records which windows each rule has, and since when. See Reload/WindowRegistry.
return {}
