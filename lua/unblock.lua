#!lua
-- Lifts the blocks of one entity tuple, and leaves what is counted.
--
-- KEYS[1]  the entity's hash
-- returns  how many blocks stood
return 0
