using System.Runtime.InteropServices;

namespace Tessera.Devices;

/// <summary>
/// The memory of one device: what <see cref="Arena"/>s are made of, and the only way to read and write it outside the kernels.
/// </summary>
/// <remarks>
/// Operations run in the order in which they were asked for, kernels among them; <see cref="Download{T}(nint, Span{T})"/>,
/// <see cref="Read"/> and <see cref="Synchronize"/> wait for what was asked for before.
/// </remarks>
public abstract unsafe class DeviceMemory
{
    /// <summary>Whether there are only addresses, with no memory behind them for what is computed: see <see cref="PlanningMemory"/>.</summary>
    public virtual bool IsPlanning => false;

    /// <summary>Seconds that callers have waited for the device so far; the rest of their time they used themselves.</summary>
    public virtual double SecondsWaited => 0;

    /// <summary>
    /// The most bytes of one <see cref="Write"/> that the host makes right where the copy to this memory begins; larger ones are copied once
    /// more on the way.
    /// </summary>
    public virtual long DirectBytes => long.MaxValue;

    /// <summary>Takes a piece of uninitialised memory, aligned to <see cref="Arena.Alignment"/> at least.</summary>
    /// <exception cref="OutOfMemoryException">There is not so much.</exception>
    public abstract nint Take(long bytes);

    /// <summary>Gives back a piece that <see cref="Take"/> returned.</summary>
    /// <param name="address">The piece.</param>
    /// <param name="bytes">Its size.</param>
    public abstract void Return(nint address, long bytes);

    /// <summary>Gives the memory behind a piece back and keeps its addresses, where that is possible; the contents are lost.</summary>
    /// <param name="address">The piece.</param>
    /// <param name="bytes">Its size.</param>
    public virtual void Drop(nint address, long bytes)
    {
    }

    /// <summary>Nothing yet, to be the memory of one arena.</summary>
    public virtual ArenaRange OpenRange() => new ScatteredRange(this);

    /// <summary>Bytes that may still be taken; null where that is not known, and while planning.</summary>
    public virtual long? FreeBytes() => null;

    /// <summary>What is left to take, as the rest of a sentence; empty where that is not known.</summary>
    public virtual string DescribeFree() => string.Empty;

    /// <summary>Copies elements of the host into this memory. The source may be used again on return.</summary>
    public void Upload<T>(ReadOnlySpan<T> source, nint destination)
        where T : unmanaged
    {
        fixed (T* elements = source)
        {
            Upload((nint)elements, destination, (long)source.Length * sizeof(T));
        }
    }

    /// <summary>As the other, for host memory of any length.</summary>
    /// <param name="source">Host memory.</param>
    /// <param name="destination">This memory.</param>
    /// <param name="bytes">How many bytes.</param>
    public abstract void Upload(nint source, nint destination, long bytes);

    /// <summary>Copies elements of this memory to the host, after all work asked for before.</summary>
    public void Download<T>(nint source, Span<T> destination)
        where T : unmanaged
    {
        fixed (T* elements = destination)
        {
            Download(source, (nint)elements, (long)destination.Length * sizeof(T));
        }
    }

    /// <summary>As the other, for host memory of any length.</summary>
    /// <param name="source">This memory.</param>
    /// <param name="destination">Host memory.</param>
    /// <param name="bytes">How many bytes.</param>
    public abstract void Download(nint source, nint destination, long bytes);

    /// <summary>Copies within this memory; the two may not overlap.</summary>
    public abstract void Copy(nint source, nint destination, long bytes);

    /// <summary>Fills with zero bytes.</summary>
    public abstract void Clear(nint destination, long bytes);

    /// <summary>Waits until everything asked for has been done.</summary>
    public abstract void Synchronize();

    /// <summary>
    /// Has the host make what is to lie here, without a copy where the host can reach this memory itself. Large things are
    /// written in pieces: a piece may be as large in the host's memory.
    /// </summary>
    /// <param name="destination">This memory.</param>
    /// <param name="bytes">How many bytes.</param>
    /// <param name="fill">Writes all of them to the address that it is given; alignment as in an arena is not promised.</param>
    public virtual void Write(nint destination, long bytes, Action<nint> fill)
    {
        nint room = (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(1, bytes), Arena.Alignment);
        try
        {
            fill(room);
            Upload(room, destination, bytes);
        }
        finally
        {
            NativeMemory.AlignedFree((void*)room);
        }
    }

    /// <summary>As <see cref="Write"/>, for who writes only some of the bytes: the others stay what they are.</summary>
    /// <param name="destination">This memory.</param>
    /// <param name="bytes">How many bytes.</param>
    /// <param name="change">Reads and writes them at the address that it is given.</param>
    public virtual void Edit(nint destination, long bytes, Action<nint> change) =>
        Write(destination, bytes, room =>
        {
            Download(destination, room, bytes);
            change(room);
        });

    /// <summary>Shows the host what lies here; in pieces, as <see cref="Write"/>.</summary>
    /// <param name="source">This memory.</param>
    /// <param name="bytes">How many bytes.</param>
    /// <param name="use">Reads them at the address that it is given and keeps no reference to it.</param>
    public virtual void Read(nint source, long bytes, Action<nint> use)
    {
        nint room = (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(1, bytes), Arena.Alignment);
        try
        {
            Download(source, room, bytes);
            use(room);
        }
        finally
        {
            NativeMemory.AlignedFree((void*)room);
        }
    }
}
