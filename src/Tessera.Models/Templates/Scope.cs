namespace Tessera.Models.Templates;

/// <summary>The names of a block; what it does not have is looked up in the one around it.</summary>
internal sealed class Scope(Scope? parent)
{
    private Dictionary<string, Value>? _values;

    public Value? Find(string name)
    {
        for (Scope? scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope._values is { } values && values.TryGetValue(name, out Value? value))
            {
                return value;
            }
        }

        return null;
    }

    public Scope? Parent { get; } = parent;

    public void Set(string name, Value value) => (_values ??= [])[name] = value;
}
