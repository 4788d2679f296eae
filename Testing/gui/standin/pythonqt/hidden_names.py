"""Names that PySide6 6.12 (Qt 6) shows and PythonQt over Qt 5.15 does not, by the class that brings them.

Partly new in Qt 6, partly protected or without a wrapper in PythonQt. test_standin_qt_names.py compares.
"""

NAMES = {
    "QAbstractItemDelegate": "handleEditorEvent",
    "QAbstractItemModel": "checkIndex clearItemData multiData resetInternalData",
    "QAbstractItemView": (
        "closeEditor commitData currentChanged dataChanged editorDestroyed horizontalScrollbarAction "
        "horizontalScrollbarValueChanged initViewItemOption itemDelegateForIndex keyboardSearchFlags "
        "rowsAboutToBeRemoved rowsInserted selectionChanged setKeyboardSearchFlags setUpdateThreshold "
        "updateEditorData updateEditorGeometries updateGeometries updateThreshold verticalScrollbarAction "
        "verticalScrollbarValueChanged"
    ),
    "QAbstractSpinBox": "returnPressed",
    "QAction": "associatedObjects checkableChanged enabledChanged resetEnabled visibleChanged",
    "QByteArray": (
        "assign cbegin cend erase first fromRawData fromStdString isValidUtf8 last maxSize max_size nullTerminate "
        "nullTerminated percentDecoded removeAt removeFirst removeLast resizeForOverwrite slice sliced toLong "
        "toLongLong toShort toStdString toUInt toULong toULongLong"
    ),
    "QCalendarWidget": "clearMaximumDate clearMinimumDate",
    "QCheckBox": "checkStateChanged",
    "QColor": "fromString getHsv getHsvF getRgb getRgbF isValidColorName toTuple",
    "QComboBox": "LabelDrawingMode UseDelegate UseStyle labelDrawingMode setLabelDrawingMode",
    "QCoreApplication": (
        "checkPermission installNativeEventFilter instanceExists removeNativeEventFilter requestPermission "
        "resolveInterface shutdown"
    ),
    "QDate": "toPython",
    "QDateTime": "TransitionResolution addDuration timeRepresentation toPython",
    "QDateTimeEdit": "setTimeZone timeZone",
    "QDialogButtonBox": "standardButtonShortcut standardButtonText",
    "QDockWidget": "dockLocation setDockLocation",
    "QDropEvent": "buttons modifiers position",
    "QEvent": (
        "ChildWindowAdded ChildWindowRemoved DevicePixelRatioChange GraphicsSceneLeave None_ "
        "ParentWindowAboutToChange ParentWindowChange SafeAreaMarginsChange WindowAboutToChangeInternal clone "
        "isInputEvent isPointerEvent isSinglePointEvent"
    ),
    "QFile": "supportsMoveToTrash",
    "QFileInfo": "fileTime isAlias isOther junctionTarget readSymLink stat",
    "QFont": (
        "ContextFontMerging PreferTypoLineMetrics clearFeatures clearVariableAxes featureTags featureValue "
        "isFeatureSet isVariableAxisSet legacyWeight resolveMask setFeature setLegacyWeight setResolveMask "
        "setVariableAxis unsetFeature unsetVariableAxis variableAxisTags variableAxisValue"
    ),
    "QFontComboBox": (
        "sampleTextForFont sampleTextForSystem setDisplayFont setSampleTextForFont setSampleTextForSystem"
    ),
    "QFontDatabase": (
        "addApplicationEmojiFontFamily applicationEmojiFontFamilies removeApplicationEmojiFontFamily "
        "setApplicationEmojiFontFamilies"
    ),
    "QFontMetrics": "boundingRectChar horizontalAdvanceChar",
    "QFormLayout": "isRowVisible setRowVisible",
    "QGridLayout": "getItemPosition",
    "QGuiApplication": "nativeInterface platformFunction setBadgeNumber",
    "QHeaderView": (
        "initStyleOptionForIndex isSortIndicatorClearable sectionsAboutToBeRemoved sectionsInserted "
        "setSortIndicatorClearable sortIndicatorClearable sortIndicatorClearableChanged updateSection"
    ),
    "QIODevice": "readLineInto skipData",
    "QIcon": "ThemeIcon",
    "QImage": (
        "Format_CMYK8888 Format_RGBA16FPx4 Format_RGBA16FPx4_Premultiplied Format_RGBA32FPx4 "
        "Format_RGBA32FPx4_Premultiplied Format_RGBX16FPx4 Format_RGBX32FPx4 colorTransformed convertedTo "
        "detachMetadata deviceIndependentSize flip flipped mirror rgbSwap setColorTable"
    ),
    "QItemSelection": (
        "capacity constData data fromList insert maxSize max_size remove resize resizeForOverwrite shrink_to_fit "
        "sliced squeeze toList"
    ),
    "QKeyEvent": "keyCombination",
    "QLayout": (
        "getContentsMargins horizontalSizeConstraint setHorizontalSizeConstraint setSizeConstraints "
        "setVerticalSizeConstraint totalMinimumHeightForWidth unsetContentsMargins verticalSizeConstraint"
    ),
    "QListWidget": "setSupportedDragActions supportedDragActions",
    "QLocale": (
        "LanguageCodeType TagSeparator codeToCountry codeToLanguage codeToScript codeToTerritory countryToCode "
        "formattedDataSize languageToCode nativeTerritoryName scriptToCode territory territoryToCode "
        "territoryToString"
    ),
    "QMargins": "toMarginsF",
    "QMenu": "menuInAction",
    "QMessageBox": (
        "DontUseNativeDialog Option buttonText options setButtonText setOption setOptions standardIcon testOption"
    ),
    "QModelIndex": "constInternalPointer multiData",
    "QNetworkAccessManager": "supportedSchemesImplementation transferTimeoutAsDuration",
    "QNetworkReply": "headers requestSent setHeaders setWellKnownHeader socketStartedConnecting",
    "QObject": "connectNotify disconnectNotify emit isQmlExposed isQuickItemType receivers",
    "QPaintDevice": "PdmDevicePixelRatioF_EncodedA PdmDevicePixelRatioF_EncodedB",
    "QPainter": "NCompositionModes NonCosmeticBrushPatterns VerticalSubpixelPositioning brushOriginF drawPointsNp",
    "QPalette": "Accent accent resolveMask setResolveMask",
    "QPixmap": "deviceIndependentSize fromImageInPlace",
    "QPoint": "toPointF toTuple",
    "QPointF": "toTuple",
    "QProcess": (
        "UnixProcessFlag failChildProcessModifier setUnixProcessParameters startCommand unixProcessParameters"
    ),
    "QProcessEnvironment": "Initialization inheritsFromParent",
    "QProgressDialog": "forceShow",
    "QRect": "getCoords getRect span toRectF",
    "QRectF": "getCoords getRect",
    "QRegularExpression": "AnchorAtOffsetMatchOption WildcardConversionOption fromWildcard globalMatchView matchView",
    "QScreen": "nativeInterface resolveInterface",
    "QScrollBar": "createStandardContextMenu",
    "QShortcut": "keys setKeys whatsThis",
    "QSize": "toSizeF toTuple",
    "QSizeF": "toTuple",
    "QSortFilterProxyModel": (
        "DataChangeRelevanceFlag Direction autoAcceptChildRows autoAcceptChildRowsChanged beginFilterChange "
        "dataChangeRelevanceFlags endFilterChange invalidateColumnsFilter invalidateRowsFilter "
        "setAutoAcceptChildRows"
    ),
    "QSplitter": "getRange",
    "QStackedLayout": "widgetAdded",
    "QStackedWidget": "widgetAdded",
    "QStandardItem": "multiData",
    "QStandardPaths": "GenericStateLocation PublicShareLocation StateLocation TemplatesLocation",
    "QStyle": "itemTextRect",
    "QTableView": "columnCountChanged columnMoved columnResized rowCountChanged rowMoved rowResized",
    "QTableWidget": "setSupportedDragActions supportedDragActions",
    "QTemporaryDir": "swap",
    "QTextCharFormat": (
        "baselineOffset fontFeatures fontVariableAxes setBaselineOffset setFontFeatures setFontVariableAxes "
        "setSubScriptBaseline setSuperScriptBaseline subScriptBaseline superScriptBaseline"
    ),
    "QTextCursor": "insertMarkdown selectedTableCells",
    "QTextDocument": (
        "baselineOffset isLayoutEnabled layoutEnabled setBaselineOffset setLayoutEnabled setSubScriptBaseline "
        "setSuperScriptBaseline subScriptBaseline superScriptBaseline"
    ),
    "QThread": "QualityOfService isCurrentThread isMainThread serviceLevel setServiceLevel",
    "QTime": "toPython",
    "QTimer": "id intervalAsDuration remainingTimeAsDuration",
    "QTreeView": "columnCountChanged columnMoved columnResized itemDecorationRect reexpand rowsRemoved",
    "QTreeWidget": "setSupportedDragActions supportedDragActions",
    "QUiLoader": "registerCustomWidget",
    "QUrl": "AceProcessingOption",
    "QUuid": "UnixEpoch createUuidV7 fromBytes",
    "QWheelEvent": "hasPixelDelta isInverted",
    "QWidget": (
        "accessibleIdentifier create find internalWinId isTopLevel setAccessibleIdentifier setScreen "
        "topLevelWidget updateMicroFocus"
    ),
    "QWizard": "setCurrentId setDefaultProperty",
}

DROPPED = {
    "QAbstractItemView": "viewOptions",
    "QAction": "associatedGraphicsWidgets associatedWidgets parentWidget",
    "QApplication": (
        "ColorSpec CustomColor ManyColor NormalColor colorSpec desktop globalStrut setColorSpec setGlobalStrut"
    ),
    "QBrush": "matrix setMatrix",
    "QColorDialog": "getRgba",
    "QComboBox": "AdjustToMinimumContentsLength autoCompletion autoCompletionCaseSensitivity",
    "QCoreApplication": "ApplicationFlags flush hasPendingEvents",
    "QDate": "DateFormat MonthNameType StandaloneFormat longDayName longMonthName shortDayName shortMonthName",
    "QDateTime": "fromTime_t setTime_t setUtcOffset toTime_t utcOffset",
    "QDialog": "showExtension",
    "QDockWidget": "AllDockWidgetFeatures",
    "QEvent": "MacGLClearDrawable",
    "QFileDialog": (
        "DirectoryOnly DontUseSheet confirmOverwrite isNameFilterDetailsVisible isReadOnly "
        "nameFilterDetailsVisible readOnly resolveSymlinks setConfirmOverwrite setNameFilterDetailsVisible "
        "setReadOnly setResolveSymlinks"
    ),
    "QFileInfo": "created",
    "QFont": (
        "ForceIntegerMetrics OpenGLCompatible lastResortFamily lastResortFont rawMode rawName setRawMode setRawName"
    ),
    "QFontMetrics": "charWidth width",
    "QGuiApplication": "isFallbackSessionManagementEnabled setFallbackSessionManagementEnabled",
    "QIODevice": "OpenMode",
    "QImage": "alphaChannel byteCount",
    "QInputDialog": "InputDialogOptions options setOptions",
    "QLayout": "margin setMargin",
    "QLineEdit": "getTextMargins",
    "QModelIndex": "child",
    "QMouseEvent": "setLocalPos",
    "QPainter": (
        "HighQualityAntialiasing NonCosmeticDefaultPen Qt4CompatiblePainting combinedMatrix deviceMatrix "
        "drawRoundRect initFrom redirected resetMatrix restoreRedirected setRedirected setWorldMatrix "
        "worldMatrix"
    ),
    "QPalette": "Background Foreground",
    "QPixmap": "grabWidget grabWindow",
    "QPlainTextEdit": "setTabStopWidth tabStopWidth",
    "QProcess": "setupChildProcess",
    "QRegularExpression": "DontAutomaticallyOptimizeOption OptimizeOnFirstUsageOption",
    "QSettings": "iniCodec setIniCodec",
    "QShortcut": "parentWidget whatsThis",
    "QSortFilterProxyModel": "clear filterRegExp setFilterRegExp",
    "QStandardItem": "isTristate setTristate",
    "QStandardPaths": "DataLocation enableTestMode",
    "QTextEdit": "setTabStopWidth tabStopWidth",
    "QThread": "currentThreadId",
    "QTime": "elapsed restart start",
    "QTreeWidget": "isFirstItemColumnSpanned setFirstItemColumnSpanned",
    "QUrl": "topLevelDomain",
}
"""Names that PythonQt over Qt 5 shows and PySide6 lacks, mostly dropped by Qt 6: asking for them is a gap."""
