using Tessera.Models.Safetensors;

namespace Tessera.Models.Hub;

/// <summary>
/// One model's folder in the cache, laid out as the official client does: contents by hash in <c>blobs</c>, revisions' commits in
/// <c>refs</c>, and in <c>snapshots/COMMIT</c> links that give contents their names. Both clients may share it.
/// </summary>
/// <param name="root">The folder that holds all models.</param>
/// <param name="id">Organisation and name.</param>
internal sealed class HubCache(string root, string id)
{
    private readonly string _name = "models--" + id.Replace("/", "--", StringComparison.Ordinal);

    /// <summary>The model's folder.</summary>
    public string Folder => Path.Combine(root, _name);

    /// <summary>Where a content is kept, under its hash.</summary>
    public string Blob(string hash) => Path.Combine(Folder, "blobs", hash);

    /// <summary>What was loaded of a content so far.</summary>
    public string Partial(string hash) => Blob(hash) + ".incomplete";

    /// <summary>The folder of a commit.</summary>
    public string Snapshot(string commit) => Path.Combine(Folder, "snapshots", commit);

    /// <summary>A file of a commit.</summary>
    public string Pointer(string commit, string file) => Path.Combine(Snapshot(commit), file);

    /// <summary>The commit that a revision was when it was last loaded whole, or null.</summary>
    public string? ReadRevision(string revision)
    {
        if (IsCommit(revision))
        {
            return Directory.Exists(Snapshot(revision)) ? revision : null;
        }

        string path = Path.Combine(Folder, "refs", revision);
        string? commit = File.Exists(path) && new FileInfo(path).Length <= 256 ? File.ReadAllText(path).Trim() : null;
        return commit is not null && IsCommit(commit) && Directory.Exists(Snapshot(commit)) ? commit : null;
    }

    /// <summary>Notes a revision's commit.</summary>
    public void WriteRevision(string revision, string commit)
    {
        string path = Path.Combine(Folder, "refs", revision);
        if (IsCommit(revision) || (File.Exists(path) && File.ReadAllText(path) == commit))
        {
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicReplacement.Write(path, 0, stream => stream.Write(System.Text.Encoding.ASCII.GetBytes(commit)));
    }

    /// <summary>Gives a content its name in a commit.</summary>
    public void Link(string commit, HubFile file)
    {
        string pointer = Pointer(commit, file.Name), blob = Blob(file.Hash);
        Directory.CreateDirectory(Path.GetDirectoryName(pointer)!);
        string temporary = $"{pointer}.{Guid.NewGuid():N}.tmp";
        try
        {
            File.CreateSymbolicLink(temporary, Path.GetRelativePath(Path.GetDirectoryName(pointer)!, blob));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            // A disk without links: the name gets a content of its own.
            File.Copy(blob, temporary, overwrite: true);
        }

        File.Move(temporary, pointer, overwrite: true);
    }

    /// <summary>Waits until no other process loads a content; dispose to let the next one in.</summary>
    /// <remarks>The lock goes with the process, however it ends, and it is the one that the official client takes.</remarks>
    public async Task<FileStream> LockAsync(string hash, CancellationToken cancellation)
    {
        string path = Path.Combine(root, ".locks", _name, hash + ".lock");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            }
            catch (IOException) when (File.Exists(path))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Whether a text is a commit's name: 40 hexadecimal digits.</summary>
    public static bool IsCommit(string text) => text.Length == 40 && text.AsSpan().IndexOfAnyExcept("0123456789abcdef") < 0;
}
