using System.Net;

namespace Tessera.Models.Hub;

/// <summary>Loads one content into the cache: goes on where an earlier attempt, or an earlier process, stopped; checks size and hash.</summary>
/// <param name="client">Makes the requests.</param>
/// <param name="cache">The model's folder.</param>
/// <param name="settings">Patience.</param>
internal sealed class HubDownload(HubClient client, HubCache cache, HubSettings settings)
{
    private const int BufferBytes = 1 << 20;

    /// <summary>Loads a content unless it is there.</summary>
    /// <param name="model">Named in messages.</param>
    /// <param name="commit">The commit it belongs to.</param>
    /// <param name="file">What the hub says about it.</param>
    /// <param name="report">Takes the bytes of the file that are there.</param>
    /// <param name="cancellation">Stops the download; what was loaded stays.</param>
    /// <exception cref="InvalidDataException">The hub refuses, or what it sends is not what it announced.</exception>
    /// <exception cref="IOException">The hub fails again and again, or the disk is full.</exception>
    public async Task LoadAsync(HubReference model, string commit, HubFile file, Action<long> report, CancellationToken cancellation)
    {
        string blob = cache.Blob(file.Hash);
        Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
        await using FileStream held = await cache.LockAsync(file.Hash, cancellation).ConfigureAwait(false);
        if (IsWhole(blob, file))
        {
            return;
        }

        string partial = cache.Partial(file.Hash);
        bool restarted = false;
        for (int attempt = 0; ;)
        {
            long before = Length(partial);
            try
            {
                EnsureRoom(model, file, partial);
                if (await FetchAsync(model, commit, file, partial, report, cancellation).ConfigureAwait(false) is not { } fault)
                {
                    File.Move(partial, blob, overwrite: true);
                    return;
                }

                // An old part may have been of another content; what came whole and is wrong stays wrong.
                File.Delete(partial);
                if (restarted || before == 0)
                {
                    throw new InvalidDataException($"{model}: {file.Name}: {fault}");
                }

                restarted = true;
            }
            catch (Exception error) when (HubClient.MayPass(error, cancellation))
            {
                attempt = Length(partial) > before ? 1 : attempt + 1;
                if (attempt >= settings.Attempts)
                {
                    throw client.GiveUp($"{model}: {file.Name}", error);
                }

                await client.PauseAsync(attempt - 1, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Whether a content lies in the cache in its full size.</summary>
    public static bool IsWhole(string blob, HubFile file) => File.Exists(blob) && Length(blob) == file.Bytes;

    private static long Length(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;

    /// <returns>Null where all is there and right, else what is wrong with it.</returns>
    private async Task<string?> FetchAsync(
        HubReference model, string commit, HubFile file, string partial, Action<long> report, CancellationToken cancellation)
    {
        long start = Length(partial);
        if (start > file.Bytes)
        {
            File.Delete(partial);
            start = 0;
        }

        if (start == file.Bytes)
        {
            // Whole, but not yet checked when the process that loaded it ended; or empty.
            return await CheckAsync(file, partial).ConfigureAwait(false);
        }

        using HttpResponseMessage response = await client.OpenAsync(model, commit, file.Name, start, cancellation).ConfigureAwait(false);
        client.Require(response, model, file.Name);
        bool continues = response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == start;
        if (response.StatusCode == HttpStatusCode.PartialContent && !continues)
        {
            return $"the hub sends from byte {response.Content.Headers.ContentRange?.From} on, expected {start}";
        }

        // A server that passes over the wish for a part sends everything.
        start = continues ? start : 0;
        using var hash = new HubHash(file);
        if (continues)
        {
            hash.AppendFile(partial);
        }

        await using Stream body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        string? fault = await CopyAsync(body, file, partial, start, hash, report, cancellation).ConfigureAwait(false);
        return fault ?? (hash.Mismatch() is { } found ? $"its hash is {found}, expected {file.Hash}" : null);
    }

    private async Task<string?> CopyAsync(
        Stream body, HubFile file, string partial, long start, HubHash hash, Action<long> report, CancellationToken cancellation)
    {
        await using var target = new FileStream(partial, start > 0 ? FileMode.Append : FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        byte[] buffer = new byte[BufferBytes];
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        long done = start;
        while (true)
        {
            limit.CancelAfter(settings.Timeout);
            int count = await ReadAsync(body, buffer, limit.Token).ConfigureAwait(false);
            if (count == 0)
            {
                break;
            }

            if (done + count > file.Bytes)
            {
                return $"the hub sends more than the {file.Bytes} bytes that it announced";
            }

            Write(target, buffer.AsSpan(0, count), file);
            hash.Append(buffer.AsSpan(0, count));
            done += count;
            report(done);
        }

        if (done < file.Bytes)
        {
            throw new HttpRequestException($"the connection ended after {done} of {file.Bytes} bytes");
        }

        target.Flush(flushToDisk: true);
        return null;
    }

    // A connection that breaks is an IOException like a full disk, but one that may pass.
    private static async Task<int> ReadAsync(Stream body, byte[] buffer, CancellationToken cancellation)
    {
        try
        {
            return await body.ReadAsync(buffer, cancellation).ConfigureAwait(false);
        }
        catch (IOException error)
        {
            throw new HttpRequestException(error.Message, error);
        }
    }

    private static async Task<string?> CheckAsync(HubFile file, string partial)
    {
        if (file.Bytes == 0)
        {
            await File.WriteAllBytesAsync(partial, []).ConfigureAwait(false);
        }

        using var hash = new HubHash(file);
        hash.AppendFile(partial);
        return hash.Mismatch() is { } found ? $"its hash is {found}, expected {file.Hash}" : null;
    }

    private static void Write(FileStream target, ReadOnlySpan<byte> bytes, HubFile file)
    {
        try
        {
            target.Write(bytes);
        }
        catch (IOException error)
        {
            throw new IOException($"{file.Name} cannot be written to the cache: {error.Message.TrimEnd('.')}; what is there is kept", error);
        }
    }

    private void EnsureRoom(HubReference model, HubFile file, string partial)
    {
        long needed = file.Bytes - Length(partial), free = settings.FreeBytes(Path.GetDirectoryName(partial)!);
        if (needed > free)
        {
            throw new IOException($"{model}: {file.Name} needs {needed:N0} more bytes, but the disk of {settings.CacheFolder} has {free:N0} left");
        }
    }
}
