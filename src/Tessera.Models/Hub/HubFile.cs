namespace Tessera.Models.Hub;

/// <summary>What a hub says about one file.</summary>
/// <param name="Name">Its path in the repository.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Hash">SHA-256 of the content (64 digits), or git's hash of it (40 digits), or another tag that proves nothing.</param>
internal sealed record HubFile(string Name, long Bytes, string Hash);

/// <summary>How far a download is.</summary>
/// <param name="File">The file that is being loaded.</param>
/// <param name="Done">Bytes of all files that are there.</param>
/// <param name="Total">Bytes of all files.</param>
public readonly record struct HubProgress(string File, long Done, long Total);
