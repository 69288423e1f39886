using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Tensors;

/// <summary>
/// A weight with one master copy. While it is trained the master is f32 or bf16 and a gradient buffer stands beside it; a frozen
/// weight may be stored in int8, int4 or fp8 as well. Beside an f32 master a working copy in bf16 may stand, which products read. Every
/// change goes through <see cref="MarkChanged"/> or <see cref="MarkUpdated"/>, so that derived forms can tell whether they are stale.
/// </summary>
public sealed unsafe partial class Parameter
{
    private Elements _gradient;
    private DeviceMemory _gradientMemory = HostMemory.Instance;
    private Elements _working;
    private long _workingVersion = -1;
    private bool _clearsLater;
    private float* _panels;
    private PackedMatrix _packed;
    private long _packedVersion = -1;

    /// <summary>Takes room for a weight in an arena; the contents are not initialised.</summary>
    /// <param name="name">Name for messages and optimiser state, unique in its model.</param>
    /// <param name="rows">Output features; 1 for a norm's gain.</param>
    /// <param name="columns">Input features; 1 for a bias.</param>
    /// <param name="type">f32, bf16, int8, int4 or fp8.</param>
    /// <param name="arena">Owner of the memory.</param>
    public Parameter(string name, int rows, int columns, DType type, Arena arena)
    {
        Name = name;
        Rows = rows;
        Columns = columns;
        Type = type;
        Memory = arena.Memory;
        Address = arena.Allocate(type.MatrixBytes(rows, columns));
        if (type.IsGrouped())
        {
            GroupedMatrix.ClearLastTile(Memory, Master);
        }
    }

    /// <summary>Name for messages and optimiser state.</summary>
    public string Name { get; }

    /// <summary>Output features.</summary>
    public int Rows { get; }

    /// <summary>Input features.</summary>
    public int Columns { get; }

    /// <summary>Storage type of the master.</summary>
    public DType Type { get; }

    /// <summary>The master's first element.</summary>
    public nint Address { get; }

    /// <summary>The memory that it lies in.</summary>
    public DeviceMemory Memory { get; }

    /// <summary>Number of elements.</summary>
    public long Count => (long)Rows * Columns;

    /// <summary>Bytes of the master.</summary>
    public long Bytes => Type.MatrixBytes(Rows, Columns);

    /// <summary>The gradient of the loss, accumulated until <see cref="ClearGradient"/>; none while frozen.</summary>
    public Elements Gradient
    {
        get
        {
            if (_clearsLater)
            {
                _clearsLater = false;
                _gradientMemory.Clear(_gradient.Address, GradientBytes);
            }

            return _gradient;
        }
    }

    /// <summary>Where the gradient lies, whether or not it has been cleared; 0 while frozen.</summary>
    internal nint GradientAddress => _gradient.Address;

    /// <summary>Whether nothing was added to the gradient since <see cref="ClearGradient"/>.</summary>
    public bool IsGradientClear => _clearsLater;

    /// <summary>Says that recorded work has assigned the gradient: it was clear and holds values now.</summary>
    public void MarkGradientAssigned() => _clearsLater = false;

    /// <summary>True while the tape computes a gradient for it.</summary>
    public bool IsTrainable => _gradient.Exists;

    private long GradientBytes => Count * _gradient.Type.Bytes();

    /// <summary>False for norms' gains [1, n] and biases [n, 1], which weight decay leaves alone.</summary>
    public bool Decays => Rows > 1 && Columns > 1;

    /// <summary>Counts changes of the master.</summary>
    public long Version { get; private set; }

    /// <summary>The master as a kernel operand.</summary>
    public MatrixView Master => new(Address, Type, Rows, Columns);

    /// <summary>What products read: the working copy where there is one, else the master.</summary>
    /// <exception cref="InvalidOperationException">The working copy is older than the master.</exception>
    public MatrixView View
    {
        get
        {
            if (!_working.Exists)
            {
                return Master;
            }

            return _workingVersion == Version
                ? MatrixView.Of(_working, Rows, Columns)
                : throw new InvalidOperationException($"parameter {Name} was changed, and its working copy was not made again");
        }
    }

    /// <summary>The master's elements, f32 or bf16.</summary>
    public Elements Elements => new(Address, Type);

    /// <summary>The master's f32 elements, for code that reaches their memory itself.</summary>
    /// <exception cref="InvalidOperationException">It is stored in another type.</exception>
    public float* Floats => Type == DType.F32
        ? (float*)Address
        : throw new InvalidOperationException($"parameter {Name} is stored in {Type.Label()}, f32 is needed here");

    /// <summary>Rows [start, start + rows) of the master as a kernel operand.</summary>
    /// <exception cref="InvalidOperationException">Its rows are interleaved in tiles and the first is not the first of a tile.</exception>
    public MatrixView RowsView(int start, int rows) => Type == DType.FP8 ? Fp8Matrix.RowsView(Master, start, rows)
        : !Type.IsGrouped() || start % DTypes.TileRows == 0 ? new(Address + (nint)Type.MatrixBytes(start, Columns), Type, rows, Columns)
        : throw new InvalidOperationException($"parameter {Name} is stored in {Type.Label()}: row {start} does not begin a tile");

    /// <summary>Gives it a gradient buffer of zeros.</summary>
    /// <param name="arena">Owner of the buffer.</param>
    /// <param name="type">f32, or bf16 on devices that add into it.</param>
    /// <param name="allowsBf16Master">Whether the optimiser can train a master in bf16.</param>
    /// <exception cref="InvalidOperationException">The master cannot be trained as it is stored.</exception>
    public void Train(Arena arena, DType type = DType.F32, bool allowsBf16Master = false)
    {
        if (Type != DType.BF16 || !allowsBf16Master)
        {
            _ = Floats;
        }

        _gradient = new Elements(arena.Allocate(Count * type.Bytes()), type);
        _gradientMemory = arena.Memory;
        _clearsLater = false;
        _gradientMemory.Clear(_gradient.Address, GradientBytes);
    }

    /// <summary>Freezes it; the buffer stays with its arena.</summary>
    public void Freeze()
    {
        _gradient = default;
        _clearsLater = false;
    }

    /// <summary>Sets the gradient to zero, at the latest when somebody looks at it.</summary>
    public void ClearGradient() => _clearsLater = _gradient.Exists;

    /// <summary>
    /// The gradient for an operation that can assign as well as accumulate: the first one after <see cref="ClearGradient"/> assigns,
    /// which saves a pass that writes zeros and one that reads them.
    /// </summary>
    internal Elements ClaimGradient(out bool accumulate)
    {
        accumulate = !_clearsLater;
        _clearsLater = false;
        return _gradient;
    }

    /// <summary>The working copy, or none.</summary>
    public Elements Working => _working;

    /// <summary>Takes room for a working copy in bf16 beside an f32 master and makes it; products read it from then on.</summary>
    /// <exception cref="InvalidOperationException">The master is not f32.</exception>
    public void KeepWorking(Device device, Arena arena)
    {
        _ = Floats;
        _working = new Elements(arena.Allocate(Count * DType.BF16.Bytes()), DType.BF16);
        _workingVersion = -1;
        RefreshWorking(device);
    }

    /// <summary>Rounds the master into the working copy, if there is one and it is stale.</summary>
    public void RefreshWorking(Device device)
    {
        if (_working.Exists && _workingVersion != Version)
        {
            Conversion.ToBf16(device, Floats, (ushort*)_working.Address, Count);
            _workingVersion = Version;
        }
    }

    /// <summary>Forgets the working copy; its arena may be disposed of.</summary>
    public void DropWorking() => _working = default;

    /// <summary>Whether products with many rows read it from packed panels of f32.</summary>
    public bool CanPack => Type is DType.F32 or DType.BF16;

    /// <summary>Whether <see cref="Packed"/> keeps a packed form.</summary>
    public bool KeepsPacked => _panels is not null;

    /// <summary>Bytes that <see cref="KeepPacked"/> takes.</summary>
    public long PackedBytes => Gemm.PackedFloats(Rows, Columns) * sizeof(float);

    /// <summary>
    /// Takes room for the panels in which a product with many rows reads this weight. They are made at first use and again
    /// when the master has changed.
    /// </summary>
    public void KeepPacked(Arena arena)
    {
        _panels = arena.Floats(Gemm.PackedFloats(Rows, Columns));
        _packedVersion = -1;
    }

    /// <summary>Forgets the panels; their arena may be disposed of.</summary>
    public void DropPacked() => _panels = null;

    /// <summary>Wᵀ packed from the present master, or nothing where no room was taken for it.</summary>
    public PackedMatrix Packed(Device device)
    {
        if (_panels is null)
        {
            return default;
        }

        if (device.IsPlanning)
        {
            // Nothing is packed there, so nothing is remembered.
            return Gemm.PackRight(device, View, true, Rows, Columns, _panels);
        }

        if (_packedVersion != Version)
        {
            _packed = Gemm.PackRight(device, View, true, Rows, Columns, _panels);
            _packedVersion = Version;
        }

        return _packed;
    }

    /// <summary>Says that the master was written.</summary>
    public void MarkChanged() => Version++;

    /// <summary>Says that the master was written, and the working copy with it.</summary>
    public void MarkUpdated() => _workingVersion = ++Version;
}
