namespace Tessera.Training.Data.Shards;

/// <summary>One shard as the index of its folder names it.</summary>
/// <param name="File">Name of the file in the folder.</param>
/// <param name="Documents">Documents.</param>
/// <param name="Tokens">Tokens.</param>
/// <param name="Sha256">Hash of its data, as in its header.</param>
public sealed record ShardEntry(string File, long Documents, long Tokens, string Sha256);

/// <summary>A file that documents came from.</summary>
/// <param name="Name">Its name as it was given, or below the folder that was given.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Sha256">Hash of its content.</param>
public sealed record ShardInput(string Name, long Bytes, string Sha256);
